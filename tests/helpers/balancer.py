"""A load balancer before workers of two releases, for the client's files."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from itertools import cycle

from tests.helpers.line import Line, lay


class Balancer(Line):
    """Gives the requests for files of the client to all servers in turn, all else to the first."""

    def __init__(self, *ports: int) -> None:
        super().__init__(ports[0])
        self._turns = cycle(ports)
        #: How many requests for files each server got.
        self.files = dict.fromkeys(ports, 0)
        #: Whether the first server serves one more page's entry, and no files after it.
        self.retires = False

    def route(self, head: bytes) -> tuple[int, bytes]:
        if b"\r\nupgrade: websocket" in head.lower():
            return self._to, head
        to = self._to
        if found := re.match(rb"GET (/_idle/\S*\.js\S*)", head):
            if self.retires and found[1].endswith(b"/quart-idle.js"):
                self.retires = False
                self._turns = cycle(set(self.files) - {to})
            else:
                to = next(self._turns)
            self.files[to] += 1
        # Each request has a connection of its own.
        head = re.sub(rb"\r\nconnection: [^\r]*", b"", head, flags=re.IGNORECASE)
        return to, head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def balance(*ports: int) -> AbstractAsyncContextManager[Balancer]:
    """Put a balancer before servers."""
    return lay(Balancer(*ports))
