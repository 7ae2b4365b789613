"""What one page is sent: frames in order, without waiting for the reader, and a goodbye."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, Final

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WWWScope

from .. import protocol
from ..servers import decline_compression

#: How long a page may take to answer a close frame, in seconds.
CLOSE_TIMEOUT: Final = 5.0
#: The same where its connection is shared: the frame may have to wait there for downloads, and the
#: end of the coroutine gives nothing back.
CLOSE_TIMEOUT_SHARED: Final = 60.0
# How many frames wait for a page to read, at most.
_MOST_QUEUED: Final = 16

_log = logging.getLogger("quart_idle")


def is_shared(scope: WWWScope) -> bool:
    """Whether a connection has other things to carry, as those of HTTP/2 and HTTP/3 have."""
    return scope.get("http_version", "1.1") not in ("1.0", "1.1")


class Sender:
    """The way from the server to one page.

    Args:
        send: the connection's, as ASGI has it.

    Attributes:
        accepted: whether the handshake is over.
        goodbye: the close code and reason that the page is sent away with; None: it stays.
        close_timeout: what the page's coroutine waits in; it ends a time after the goodbye.
        connection_shared: whether the connection has other things to carry, as HTTP/2's has.
    """

    __slots__ = (
        "_queue",
        "_send",
        "_sending",
        "accepted",
        "close_timeout",
        "connection_shared",
        "goodbye",
    )

    def __init__(self, send: ASGISendCallable) -> None:
        self._send = send
        # The first of it is under way, by the task.
        self._queue: tuple[dict[str, Any], ...] = ()
        self._sending: asyncio.Task[None] | None = None
        self.accepted = False
        self.goodbye: tuple[int, str] | None = None
        self.close_timeout = asyncio.timeout(None)
        self.connection_shared = False

    async def accept(self) -> None:
        """Accept the socket. A page that is to go is told so now: a refusal would tell nothing."""
        decline_compression(self._send)
        await self._send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        self.accepted = True
        if self.goodbye is not None:
            self._send_close(*self.goodbye)

    def push(self, frame: str) -> None:
        """Send a frame, behind what is being sent."""
        self._put({"type": "websocket.send", "bytes": None, "text": frame})

    def close(self, code: int, reason: str) -> None:
        """Send the page away; one that is not accepted yet is told when it is."""
        if self.goodbye is None:
            self.goodbye = code, reason
            if self.accepted:
                self._send_close(code, reason)

    def stop(self) -> None:
        """Give up what is being sent: the connection is gone."""
        if self._sending is not None:
            self._sending.cancel()

    def _send_close(self, code: int, reason: str) -> None:
        reason = protocol.close_reason(reason)
        self._queue = self._queue[:1]  # which is under way; the rest is of no account any more
        self._put({"type": "websocket.close", "code": code, "reason": reason})
        # Until the page's own close frame has come: hypercorn cuts an HTTP/2 connection, with all
        # that is on its way there, when one comes for a socket whose coroutine has ended.
        timeout = CLOSE_TIMEOUT_SHARED if self.connection_shared else CLOSE_TIMEOUT
        with suppress(RuntimeError):  # it has ended already
            self.close_timeout.reschedule(asyncio.get_running_loop().time() + timeout)

    def _put(self, message: dict[str, Any]) -> None:
        """Send a message in a task, though it is almost always over at once.

        There may be middleware between here and the server, with whatever asks for the current task
        in it, as a time-out does.
        """
        begin = not self._queue
        if len(self._queue) < _MOST_QUEUED:
            self._queue += (message,)
        if begin:
            self._sending = asyncio.get_running_loop().create_task(self._send_queue())

    async def _send_queue(self) -> None:
        try:
            while self._queue:
                await self._send(self._queue[0])  # type: ignore[arg-type]
                self._queue = self._queue[1:]
        except Exception as error:  # whatever a server says of a connection that is gone
            _log.debug("a page could not be sent to: %r", error)
            self._queue = ()
        self._sending = None


async def read_away(receive: ASGIReceiveCallable) -> None:
    """Read what still comes on a socket that is closed, until the other side has answered that."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            while (await receive())["type"] != "websocket.disconnect":
                pass
