"""A request of the application's, whose streamed response can end with a session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from hypercorn.typing import ASGIReceiveCallable

from .. import protocol
from ..exceptions import StoreUnavailable
from .connection import Connection, Named
from .sending import CLOSE_TIMEOUT_SHARED, is_shared

_CORS: Final = (b"allow-origin", b"allow-credentials", b"expose-headers")
# What is kept of a stream's own headers where it is refused: who may read the answer (CORS).
_KEPT: Final = frozenset((b"set-cookie", b"vary", *(b"access-control-" + it for it in _CORS)))


async def _client_left() -> Any:
    return {"type": "http.disconnect"}


class AppRequest(Connection):
    """A request of the application's; its response can be a stream that ends with a session."""

    # The server waits for responses that are under way.
    _may_stay = True

    _find: Callable[[], Named] | None = None
    _start_message: Any = None
    _started = False
    # Who sends the stream, and who waits beside it for the client to leave; what interrupts it.
    _sender: asyncio.Task[Any] | None = None
    _receiver: asyncio.Task[Any] | None = None
    _cut: asyncio.Handle | None = None

    def bind_stream(self, find: Callable[[], Named]) -> None:
        """Have the response end with a session.

        Args:
            find: the session that the request names, once its changes have been saved; may raise
                `StoreUnavailable`.
        """
        self._find = find

    # No coroutines of their own where nothing is bound.

    def _hear(self, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
        def hear() -> Any:
            self._receiver = asyncio.current_task()
            if self.ended and self._sender is not None and self._sender.done():
                return _client_left()  # this began when all was over
            return receive()

        return hear

    def _send(self, message: Any) -> Awaitable[None]:
        find = self._find
        return self._to_client(message) if find is None else self._send_bound(find, message)

    async def _send_bound(self, find: Callable[[], Named], message: Any) -> None:
        if self.ended:
            if self._cut is not None:
                self._cut.cancel()  # once, for the sender may have to tidy up
            raise asyncio.CancelledError
        if message["type"] == "http.response.start":
            self._start_message = message
            self._sender = asyncio.current_task()
            await self._join(find)
            if self.ended:
                raise asyncio.CancelledError
            self._started = True
        elif not message.get("more_body", True):
            self._leave()
        await self._to_client(message)

    def _interrupt(self) -> None:
        self._tasks.start(self._say())
        sender = self._sender
        if sender is None:
            return
        sender.add_done_callback(self._stop_receiving)
        if self._started:  # not at once: it may be the sender itself that ended the session
            self._cut = asyncio.get_running_loop().call_soon(sender.cancel)

    def _stop_receiving(self, _: object) -> None:
        if self._receiver is not None:  # which has nothing to wait for any more
            self._receiver.cancel()

    async def _say_goodbye(self, code: int, reason: str) -> None:
        if not self._started:
            await self._refuse(code, reason)
        elif is_shared(self._scope):
            # No server cuts one stream of several: it ends, and is over.
            async with asyncio.timeout(CLOSE_TIMEOUT_SHARED):
                await self._to_client({"type": "http.response.body", "body": b""})
        # Else the server cuts what has not ended.

    async def _refuse(self, code: int, reason: str) -> None:
        """Say what the routes say: 401 with the reason, or 503."""
        headers = [
            *(it for it in self._start_message["headers"] if it[0].lower() in _KEPT),
            (b"quart-idle", b"1"),
            (b"cache-control", b"no-store"),
            (b"content-type", b"application/json"),
        ]
        status, body = 401, {"reason": reason}
        if code == protocol.TRY_AGAIN:
            status, body = 503, {"error": reason}
            headers.append((b"retry-after", str(StoreUnavailable.RETRY_AFTER).encode()))
        content = json.dumps(body).encode()
        headers.append((b"content-length", str(len(content)).encode()))
        await self._to_client({"type": "http.response.start", "status": status, "headers": headers})
        await self._to_client({"type": "http.response.body", "body": content})
