"""What an open page costs the server: memory, and CPU per answered ping, under hypercorn."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
import random
import re
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, cast

import quart
from quart import Quart, websocket

from quart_idle import QuartIdle, Session
from quart_idle.config import read
from quart_idle.presence import Presence
from quart_idle.renewals import Renewals
from quart_idle.stores.base import ask
from quart_idle.stores.memory import MemoryStore

_PAGES = 2000
_PING_INTERVAL = 5.0
_TIMEOUT = 1800.0
_TICK = 0.05
_ROUNDS = 3
# How long the pings are counted, in seconds: every page is pinged twice.
_WINDOW = 2 * _PING_INTERVAL
# How long an idle server is watched, in seconds.
_IDLE = 1.0
# What opening all pages may take, in seconds.
_PATIENCE = 60.0
_SIGN_INS_AT_ONCE = 8
_OPENED_AT_ONCE = 50

_ROOT = Path(__file__).parent.parent.parent
_LISTENING = re.compile(rb"Running on http://127\.0\.0\.1:(\d+)")

# The contenders. Each is made by hypercorn, in a process of its own.


class _Echo:
    """The frames of QuartIdle, and nothing behind them."""

    state = (
        '{"type": "state", "left": 1800000, "total": null, "warning": 120000, '
        '"keepalive": "presence", "retry": 8000}'
    )
    ping = '{"type": "ping", "left": 1795000, "retry": 8000}'

    def __init__(self) -> None:
        self.slots: list[set[Any]] = [set() for _ in range(round(_PING_INTERVAL / _TICK))]
        self.pinging: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
            return
        if self.pinging is None:
            self.pinging = asyncio.create_task(self.ping_all())
        slot = random.choice(self.slots)
        slot.add(send)
        try:
            await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
            await send({"type": "websocket.send", "bytes": None, "text": self.state})
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            slot.discard(send)

    async def ping_all(self) -> None:
        for slot in cycle(self.slots):
            for send in tuple(slot):
                await send({"type": "websocket.send", "bytes": None, "text": self.ping})
            await asyncio.sleep(_TICK)


def _collect_on_signal() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: gc.collect())


def echo() -> _Echo:
    """The least that there can be."""
    _collect_on_signal()
    return _Echo()


def _application(store: MemoryStore) -> Quart:
    _collect_on_signal()
    app = Quart("pages")
    QuartIdle(app, store=store, timeout=_TIMEOUT, ping_interval=_PING_INTERVAL)

    @app.get("/sign-in")
    async def sign_in() -> str:
        cast(Session, quart.session).user_id = "ada"
        return ""

    return app


def in_front() -> Quart:
    """QuartIdle as it is: the socket is answered in front of Quart's own handling."""
    return _application(MemoryStore())


def behind() -> Quart:
    """The same code behind a route of the application's."""
    store = MemoryStore()
    app = _application(store)
    settings = read(
        app.config, {"store": store, "timeout": _TIMEOUT, "ping_interval": _PING_INTERVAL}
    )
    renewals = Renewals(
        lambda activities: ask(store.renew(activities), settings.store_timeout),
        lambda id, outcome: presence.tell(id, outcome),
    )
    presence = Presence(settings, renewals, app.config["SESSION_COOKIE_NAME"])
    store.bind(settings.limits, presence.tell)

    @app.websocket("/presence")
    async def page() -> None:
        socket: Any = websocket._get_current_object()  # type: ignore[attr-defined]

        async def receive() -> Any:
            return {"type": "websocket.receive", "bytes": None, "text": await socket.receive()}

        async def send(message: Any) -> None:
            if message["type"] == "websocket.accept":
                await socket.accept()
            elif message["type"] == "websocket.send":
                await socket.send(message["text"])
            else:
                await socket.close(message["code"], message["reason"])

        await presence.socket(socket.scope, receive, send)

    return app


class _Contender(NamedTuple):
    name: str
    make: Callable[[], Any]
    path: str = "/_idle/presence"
    sessions: bool = True


_CONTENDERS = (
    _Contender("raw ASGI echo", echo, sessions=False),
    _Contender("QuartIdle, in front of Quart", in_front),
    _Contender("the same, a Quart route", behind, path="/presence"),
)


# The server.


def _resident(pid: int) -> float:
    """A process's resident memory, in KB."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / 1024


class _Server(NamedTuple):
    pid: int
    port: int

    def cpu(self) -> float:
        """The CPU time that it has used so far, in seconds."""
        # The clock of another process, as clock_getcpuclockid(3) makes it: /proc has hundredths.
        return time.clock_gettime((~self.pid << 3) | 2)

    async def memory(self) -> float:
        """What it has in memory after a collection of garbage, in KB."""
        os.kill(self.pid, signal.SIGUSR1)
        await asyncio.sleep(0.3)
        return _resident(self.pid)


@asynccontextmanager
async def _serve(contender: _Contender, module: str = __name__) -> AsyncIterator[_Server]:
    """A hypercorn of its own, with one worker, in one process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hypercorn", "--workers", "0", "--bind", "127.0.0.1:0"),
        f"{module}:{contender.make.__name__}()",
        cwd=_ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    log = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            while (found := _LISTENING.search(log)) is None:
                line = await process.stderr.readline()
                log += line
                if not line:
                    raise RuntimeError(f"hypercorn did not start:\n{log.decode()}")
        yield _Server(process.pid, int(found[1]))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# The pages.


def _frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame: RFC 6455, section 5.2."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked


_PONG = _frame(1, b'{"type": "pong", "idle": 12345, "visible": true}')


class _Tally:
    """What became of all pages."""

    answered = 0
    lost = 0


class _Page(asyncio.Protocol):
    """A page that answers pings, and no more of a WebSocket client than that takes."""

    transport: asyncio.Transport

    def __init__(self, tally: _Tally, request: bytes) -> None:
        self.tally = tally
        self.request = request
        self.greeted = asyncio.get_running_loop().create_future()
        self.upgraded = False
        self.left = False
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        if not self.upgraded:
            head, end, rest = data.partition(b"\r\n\r\n")
            if end and not head.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            self.upgraded = bool(end)
            data = rest if end else data
        while self.upgraded and len(data) >= 4:
            length, start = data[1], 2
            if length == 126:
                length, start = int.from_bytes(data[2:4]), 4
            if len(data) < start + length:
                break
            self.take(data[0] & 0x0F, data[start : start + length])
            data = data[start + length :]
        self.buffer = data

    def take(self, opcode: int, payload: bytes) -> None:
        if opcode == 1 and b'"ping"' in payload:
            self.transport.write(_PONG)
            self.tally.answered += 1
        elif opcode == 1 and not self.greeted.done():
            self.greeted.set_result(None)
        elif opcode == 8:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.left:
            self.tally.lost += 1
        if not self.greeted.done():
            self.greeted.set_exception(ConnectionError(f"a page was refused: {error}"))

    def leave(self) -> None:
        self.left = True
        self.transport.abort()


async def _open(server: _Server, path: str, token: str, tally: _Tally) -> _Page:
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\nOrigin: http://127.0.0.1:{server.port}\r\n"
        f"Cookie: session={token}\r\n\r\n"
    )
    _, page = await asyncio.get_running_loop().create_connection(
        lambda: _Page(tally, request.encode()), "127.0.0.1", server.port
    )
    await page.greeted
    return page


async def _sign_in(server: _Server, count: int) -> list[str]:
    """Sign in so many times, over one connection; the tokens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    tokens = []
    for _ in range(count):
        writer.write(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        cookie = re.search(r"set-cookie: session=([^;]+)", head)
        assert cookie is not None, head
        tokens.append(cookie[1])
    writer.close()
    await writer.wait_closed()
    return tokens


async def _tokens(server: _Server, contender: _Contender) -> list[str]:
    if not contender.sessions:
        return ["x" * 43] * _PAGES
    share = _PAGES // _SIGN_INS_AT_ONCE
    parts = await asyncio.gather(*(_sign_in(server, share) for _ in range(_SIGN_INS_AT_ONCE)))
    return [token for part in parts for token in part]


async def _open_all(server: _Server, path: str, tokens: list[str], tally: _Tally) -> list[_Page]:
    left = iter(tokens)
    pages: list[_Page] = []

    async def worker() -> None:
        for token in left:  # one iterator for all workers
            page = await _open(server, path, token, tally)
            pages.append(page)

    await asyncio.gather(*(worker() for _ in range(_OPENED_AT_ONCE)))
    return pages


# The measurement.


class _Cost(NamedTuple):
    memory: float  # KB per page
    cpu: float  # ms per 1,000 pings


async def _round(contender: _Contender) -> _Cost:
    tally = _Tally()
    async with _serve(contender) as server:
        async with asyncio.timeout(_PATIENCE):
            tokens = await _tokens(server, contender)
            # The first page has the server load what it needs for one.
            (await _open(server, contender.path, tokens[0], tally)).leave()
            await asyncio.sleep(1.0)
            before = await server.memory()
            idle = -server.cpu()
            await asyncio.sleep(_IDLE)
            idle = (idle + server.cpu()) / _IDLE
            pages = await _open_all(server, contender.path, tokens, tally)
        await asyncio.sleep(_PING_INTERVAL + 0.5)  # every page is pinged once
        memory = (await server.memory() - before) / len(pages)
        answered, used, since = tally.answered, server.cpu(), time.monotonic()
        await asyncio.sleep(_WINDOW)
        used = server.cpu() - used - idle * (time.monotonic() - since)
        answered = tally.answered - answered
        for page in pages:
            page.leave()
    expected = _PAGES * _WINDOW / _PING_INTERVAL
    if tally.lost or answered < 0.9 * expected:
        raise SystemExit(
            f"no figures: {contender.name} lost {tally.lost} pages, and {answered} of "
            f"{expected:g} pings were answered; is the machine busy with something else?"
        )
    return _Cost(memory, used / answered * 1e6)


async def _measure() -> None:
    costs: dict[str, list[_Cost]] = {contender.name: [] for contender in _CONTENDERS}
    for _ in range(_ROUNDS):
        for contender in _CONTENDERS:
            costs[contender.name].append(await _round(contender))
    print(
        f"\n{_PAGES} open pages, {_PAGES / _PING_INTERVAL:g} pings a second, "
        f"medians of {_ROUNDS} rounds (least to most)"
    )
    print(f"{'':30}{'KB/page':>9}{'ratio':>7}{'':15}{'CPU ms/1,000 pings':>20}{'ratio':>7}")
    memories = {name: [cost.memory for cost in found] for name, found in costs.items()}
    cpus = {name: [cost.cpu for cost in found] for name, found in costs.items()}
    first = _CONTENDERS[0].name
    for name in costs:
        memory, cpu = memories[name], cpus[name]
        print(
            f"{name:30}{median(memory):9.1f}{median(memory) / median(memories[first]):7.2f}"
            f"{f'({min(memory):.1f} to {max(memory):.1f})':>15}"
            f"{median(cpu):20.1f}{median(cpu) / median(cpus[first]):7.2f}"
            f"{f'({min(cpu):.1f} to {max(cpu):.1f})':>18}"
        )


def main() -> None:
    """Print the table."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < _PAGES + 100:
        raise SystemExit(f"{_PAGES} pages need more than the {most} open files that are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # Told to end, it ends its server too: as an exception, that passes through the `finally`.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        asyncio.run(_measure())
    finally:
        signal.signal(signal.SIGTERM, before)
