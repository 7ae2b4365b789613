"""Pages by the thousand: a light WebSocket client, in processes of its own."""

from __future__ import annotations

import asyncio
import base64
import multiprocessing
import os
import random
import resource
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, cast

_OPENED_AT_ONCE = 25
# The longest window of a browser's jitter, and its first doubling, in seconds.
_LONGEST, _FIRST = 30.0, 0.5
# What an answer may take, in seconds, as in the browser client.
_PATIENCE = 10.0


def _frame(opcode: int, payload: bytes, compressed: bool = False) -> bytes:
    """A masked frame: RFC 6455, section 5.2."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    first = 0x80 | (0x40 if compressed else 0) | opcode
    return bytes([first, 0x80 | len(payload)]) + mask + masked


_PONG = b'{"type": "pong", "idle": 12345, "visible": true}'
_PONG_FRAME = _frame(1, _PONG)
_TAIL = b"\0\0\xff\xff"


class Tally:
    """What became of all pages of a process."""

    def __init__(self) -> None:
        self.answered = 0  # pings
        self.lost = 0  # connections, not by the page's own will
        self.closes: list[float] = []  # moments of close frames
        self.codes: dict[int, int] = {}
        self.trips: list[float] = []  # round trips
        self.returned: dict[int, float] = {}  # moments of the greeting after a loss, by page
        self.refused = 0  # attempts that failed


class _Page(asyncio.Protocol):
    """A page that answers pings, and no more of a WebSocket client than that takes."""

    __slots__ = (
        "buffer",
        "deflate",
        "greeted",
        "host",
        "inflate",
        "left",
        "probed",
        "request",
        "retry",
        "tally",
        "transport",
        "upgraded",
    )
    transport: Any  # None before there is one

    def __init__(self, tally: Tally, request: bytes) -> None:
        self.transport = None
        self.tally = tally
        self.request = request
        self.greeted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.upgraded = False
        self.left = False
        self.buffer = b""
        self.deflate: Any = None
        self.inflate: Any = None
        self.probed = 0.0
        self.retry = 1.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        if not self.upgraded:
            head, end, rest = data.partition(b"\r\n\r\n")
            if end and not head.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            self.upgraded = bool(end)
            if b"permessage-deflate" in head:
                self.deflate = zlib.compressobj(wbits=-9, memLevel=1)
                self.inflate = zlib.decompressobj(wbits=-15)
            data = rest if end else data
        while self.upgraded and len(data) >= 2:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4], "big"), 4
            if len(data) < start + length:
                break
            payload = data[start : start + length]
            if data[0] & 0x40:
                payload = self.inflate.decompress(payload + _TAIL)
            self.take(data[0] & 0x0F, payload)
            data = data[start + length :]
        self.buffer = data

    def take(self, opcode: int, payload: bytes) -> None:
        if opcode == 1 and b'"ping"' in payload:
            if self.deflate is None:
                self.transport.write(_PONG_FRAME)
            else:
                pong = self.deflate.compress(_PONG) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
                self.transport.write(_frame(1, pong[:-4], compressed=True))
            self.tally.answered += 1
        elif opcode == 1 and not self.greeted.done():
            self.greeted.set_result(None)
        elif opcode == 8:
            self.tally.closes.append(time.monotonic())
            code = int.from_bytes(payload[:2], "big")
            self.tally.codes[code] = self.tally.codes.get(code, 0) + 1
            self.transport.write(_frame(8, payload[:2]))
        elif opcode == 9:
            self.transport.write(_frame(10, payload))
        elif opcode == 10 and self.probed:
            self.tally.trips.append(time.monotonic() - self.probed)
            self.probed = 0.0
        if opcode == 1 and b'"retry": ' in payload:
            self.retry = int(payload.rpartition(b'"retry": ')[2].partition(b"}")[0]) / 1000

    def probe(self) -> None:
        """Measure a round trip, unless one is under way: the server's own code answers."""
        if not self.probed:
            self.probed = time.monotonic()
            self.transport.write(_frame(9, b""))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.left:
            self.tally.lost += 1
        if not self.greeted.done():
            self.greeted.set_exception(ConnectionError(f"a page was refused: {error}"))

    def leave(self) -> None:
        self.left = True
        self.transport.abort()


class _Visitor:
    """A page that comes back, by the browser client's rules: full jitter, first over `retry`."""

    def __init__(self, tally: Tally, port: int, request: bytes) -> None:
        self.tally = tally
        self.port = port
        self.request = request

    async def stay(self, page: _Page) -> None:
        loop = asyncio.get_running_loop()
        tries, retry = 0, page.retry
        while True:
            if not tries:
                while not page.transport.is_closing():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                retry = page.retry
            await asyncio.sleep(
                random.random() * (min(_LONGEST, _FIRST * 2**tries) if tries else retry)
            )
            tries += 1
            page = _Page(self.tally, self.request)
            try:
                async with asyncio.timeout(_PATIENCE):
                    await loop.create_connection(lambda page=page: page, "127.0.0.1", self.port)  # type: ignore[misc]
                    await asyncio.shield(page.greeted)
            except (OSError, TimeoutError):
                self.tally.refused += 1
                if page.transport is not None:
                    page.transport.abort()
                continue
            tries = 0
            self.tally.returned[id(self)] = time.monotonic()


class _Process:
    """What a process of pages is told to do."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.pages: list[_Page] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def open(
        self, port: int, path: str, tokens: Sequence[str], deflate: bool, stay: bool
    ) -> None:
        left = iter(tokens)
        loop = asyncio.get_running_loop()
        offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

        async def worker() -> None:
            for token in left:  # one iterator for all workers
                key = base64.b64encode(os.urandom(16)).decode()
                request = (
                    f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                    f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    f"Sec-WebSocket-Key: {key}\r\nOrigin: http://127.0.0.1:{port}\r\n"
                    f"{offer if deflate else ''}Cookie: session={token}\r\n\r\n"
                ).encode()
                _, page = await loop.create_connection(
                    lambda request=request: _Page(self.tally, request),  # type: ignore[misc]
                    "127.0.0.1",
                    port,
                )
                await page.greeted
                self.pages.append(page)
                if stay:
                    visitor = _Visitor(self.tally, port, request)
                    self.tasks.append(asyncio.create_task(visitor.stay(page)))

        await asyncio.gather(*(worker() for _ in range(_OPENED_AT_ONCE)))

    async def probe(self, seconds: float, a_second: float) -> list[float]:
        """Round trips that the pages measure, in turn, in seconds."""
        self.tally.trips = []
        until = time.monotonic() + seconds
        pages = self.pages
        turn = 0
        while time.monotonic() < until:
            page = pages[turn % len(pages)]
            if not page.transport.is_closing():
                page.probe()
            turn += 1
            await asyncio.sleep(1 / a_second)
        await asyncio.sleep(0.5)
        # What is not answered yet has waited for so long, at least.
        now = time.monotonic()
        late = [now - page.probed for page in pages if page.probed]
        for page in pages:
            page.probed = 0.0
        return self.tally.trips + late

    async def figures(self) -> Tally:
        return self.tally

    async def leave(self) -> None:
        for task in self.tasks:
            task.cancel()
        for page in self.pages:
            page.leave()
        self.pages, self.tasks, self.tally = [], [], Tally()


def _serve(pipe: Connection) -> None:
    async def run() -> None:
        process = _Process()
        loop = asyncio.get_running_loop()
        while True:
            ready = asyncio.Event()
            loop.add_reader(pipe.fileno(), ready.set)
            await ready.wait()
            loop.remove_reader(pipe.fileno())
            name, arguments = pipe.recv()
            if name == "end":
                return
            try:
                pipe.send(await getattr(process, name)(*arguments))
            except OSError as error:
                pipe.send(error)

    asyncio.run(run())


class Figures(NamedTuple):
    answered: int
    lost: int
    closes: list[float]
    codes: dict[int, int]
    returned: list[float]
    refused: int


class Clients:
    """Processes with pages; what is asked of them is asked of all at once."""

    def __init__(self, pipes: list[Connection]) -> None:
        self._pipes = pipes

    def _all(self, name: str, *arguments: Sequence[Any]) -> list[Any]:
        """Call a method in each process; an argument is a list with one value for each."""
        for number, pipe in enumerate(self._pipes):
            pipe.send((name, [values[number] for values in arguments]))
        answers = [pipe.recv() for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def open(
        self, port: int, path: str, tokens: list[str], *, deflate: bool = False, stay: bool = False
    ) -> None:
        """Open a page for each token; all are greeted when this is over."""
        count = len(self._pipes)
        shares = [tokens[number::count] for number in range(count)]
        self._all(
            "open",
            *([value] * count for value in (port, path)),
            shares,
            *([value] * count for value in (deflate, stay)),
        )

    def probe(self, seconds: float, a_second: float) -> list[float]:
        count = len(self._pipes)
        found = self._all("probe", [seconds] * count, [a_second / count] * count)
        return sorted(trip for part in found for trip in part)

    def start_probe(self, seconds: float, a_second: float) -> None:
        for pipe in self._pipes:
            pipe.send(("probe", [seconds, a_second / len(self._pipes)]))

    def probed(self) -> list[float]:
        return sorted(trip for pipe in self._pipes for trip in pipe.recv())

    def figures(self) -> Figures:
        tallies: list[Tally] = self._all("figures")
        codes: dict[int, int] = {}
        for tally in tallies:
            for code, count in tally.codes.items():
                codes[code] = codes.get(code, 0) + count
        return Figures(
            sum(tally.answered for tally in tallies),
            sum(tally.lost for tally in tallies),
            sorted(moment for tally in tallies for moment in tally.closes),
            codes,
            sorted(moment for tally in tallies for moment in tally.returned.values()),
            sum(tally.refused for tally in tallies),
        )

    def leave(self) -> None:
        """Close all pages, and forget what was counted."""
        self._all("leave")


@contextmanager
def clients(count: int = 2) -> Iterator[Clients]:
    """So many processes with pages."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(count):
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs,), daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)
    try:
        yield Clients(pipes)
    finally:
        for process in processes:
            process.kill()
            process.join()


def allow_files(count: int) -> None:
    """Raise this process's limit of open files, and that of those that it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < count + 200:
        raise SystemExit(f"{count} pages need more than the {most} open files that are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
