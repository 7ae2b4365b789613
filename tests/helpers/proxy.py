"""A network of the tests' own: between a client and a server, it fails to order."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_LINGER_NOT = struct.pack("ii", 1, 0)


class Way:
    """One direction of all connections."""

    def __init__(self) -> None:
        #: Seconds that each piece takes longer.
        self.delay = 0.0
        #: Whether a piece is a TLS record, whatever comes together.
        self.by_record = False
        #: How many more bytes pass before their connection is reset; None: all do.
        self.left: int | None = None
        self._open = asyncio.Event()
        self._open.set()

    def stall(self) -> None:
        """Let nothing through; the connections stay up."""
        self._open.clear()

    def flow(self) -> None:
        """Let everything through, what was held back too."""
        self.delay, self.left = 0.0, None
        self._open.set()

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """The next piece; nothing at the end."""
        if not self.by_record:
            return await reader.read(65_536)
        with suppress(asyncio.IncompleteReadError):
            head = await reader.readexactly(5)
            return head + await reader.readexactly(int.from_bytes(head[3:], "big"))
        return b""

    async def passed(self) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._open.wait()


class Link:
    """One connection of a client's, and the one that goes on from it."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.writers = writers
        #: All that the client has sent.
        self.sent = b""

    @property
    def subscribed(self) -> bool:
        return b"SUBSCRIBE" in self.sent

    def reset(self) -> None:
        """End both sides by RST."""
        for writer in self.writers:
            end: socket.socket = writer.get_extra_info("socket")
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()


class Proxy:
    """Takes connections to a port on this host.

    Args:
        target: the port that they go on to.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        #: From the clients to the server, and back.
        self.to, self.back = Way(), Way()
        #: The connections that orders are for.
        self.only: Callable[[Link], bool] = lambda _: True
        #: Told of each piece that a client sends, before it goes on.
        self.watch: Callable[[Link, bytes], None] = lambda _link, _data: None
        self.links: set[Link] = set()
        #: How many connections there have been.
        self.connections = 0
        #: What the clients sent, piece by piece: about a trip each.
        self.sent: list[bytes] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Take connections (again), at the same port."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no connections any more; those that are stay."""
        if self._server is not None:
            self._server.close()

    def reset(self) -> None:
        """End all connections at once."""
        for link in filter(self.only, tuple(self.links)):
            link.reset()

    def flow(self) -> None:
        """Forget all orders."""
        self.only = lambda _: True
        self.to.flow()
        self.back.flow()

    async def close(self) -> None:
        self.refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        link = Link(writer)
        try:
            onwards = await asyncio.open_connection("127.0.0.1", self.target)
            link = Link(writer, onwards[1])
            self.links.add(link)
            ways = [
                asyncio.create_task(self._pass(link, self.to, reader, onwards[1])),
                asyncio.create_task(self._pass(link, self.back, onwards[0], writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            link.reset()
        except asyncio.CancelledError:  # a server's callback that is cancelled is logged
            pass
        finally:
            for end in link.writers:
                end.close()
            self.links.discard(link)
            self._tasks.discard(task)

    async def _pass(
        self, link: Link, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await way.read(reader):
                if way is self.to:
                    link.sent += data
                    self.sent.append(data)
                    self.watch(link, data)
                if self.only(link):
                    await way.passed()
                    if way.left is not None:
                        if way.left < len(data):
                            writer.write(data[: way.left])
                            link.reset()
                            return
                        way.left -= len(data)
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """A proxy in front of a port, while the block runs."""
    proxy = Proxy(port)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
