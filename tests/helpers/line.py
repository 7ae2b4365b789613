"""A line to a server that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypeVar

L = TypeVar("L", bound="Line")


class Line:
    """A TCP line to a server, which can be cut or fall silent, and can refuse WebSockets."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: set[asyncio.StreamWriter] = set()
        #: Whether it works, and whether WebSockets pass.
        self.works = True
        self.sockets_pass = True
        #: Whether what is sent either way is lost, and nobody told.
        self.silent = False
        #: For how long a connection stays that one end has closed: seconds.
        self.lingers = 0.0
        #: How many WebSockets are open; how many were asked for.
        self.sockets = 0
        self.asked = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def route(self, head: bytes) -> tuple[int, bytes]:
        """To which port a connection leads that begins with this, and with what it begins there."""
        return self._to, head

    def cut(self) -> None:
        """Drop every connection, and refuse new ones."""
        self.works = False
        self._drop()

    def mend(self) -> None:
        """Let it work again. What it was silent about is not known any more."""
        self.works = True
        if self.silent:
            self.silent = False
            self._drop()

    def _drop(self) -> None:
        for end in tuple(self._ends):
            end.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self._ends.add(writer)
        is_socket = False
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            is_socket = b"\r\nupgrade: websocket" in head.lower()
            self.asked += is_socket
            if not self.works or (is_socket and not self.sockets_pass):
                return
            if self.silent:
                while await reader.read(65_536):
                    pass
                return
            to, head = self.route(head)
            back, forth = await asyncio.open_connection("127.0.0.1", to)
            self._ends.add(forth)
            self.sockets += is_socket
            try:
                forth.write(head)
                await asyncio.wait(
                    [
                        asyncio.create_task(self._pump(reader, forth)),
                        asyncio.create_task(self._pump(back, writer)),
                    ]
                )
            finally:
                self.sockets -= is_socket
                self._ends.discard(forth)
                forth.transport.abort()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._ends.discard(writer)
            writer.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        if self.silent:
            return
        await asyncio.sleep(self.lingers)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def line_to(port: int) -> AbstractAsyncContextManager[Line]:
    """Lay a line to a server, on a port of its own."""
    return lay(Line(port))


@asynccontextmanager
async def lay(line: L) -> AsyncIterator[L]:
    """Have a line be there for a time, on a port of its own."""
    carriers: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(line.carry(reader, writer))
        carriers.add(task)
        task.add_done_callback(carriers.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.cut()
        while carriers:
            await asyncio.wait(carriers)
