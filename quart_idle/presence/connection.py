"""Connections of the application's own, which can end with a session.

To the application such an end is what it is when its client leaves: a view that copes with that
copes with this. So nothing waits for the end while it does not come: it is put in the place of what
the connection is waiting for, the client's next message.
"""

from __future__ import annotations

import asyncio
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, NamedTuple

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WWWScope

from .. import protocol
from ..exceptions import StoreUnavailable
from ..reasons import UNKNOWN
from ..tasks import Tasks
from .bonds import Bonds
from .open_session import Bond
from .sending import CLOSE_TIMEOUT, CLOSE_TIMEOUT_SHARED, is_shared, read_away

_log = logging.getLogger("quart_idle")
_STORE_DOWN: Final = "the session store is not available"

Handle = Callable[[ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]


class Named(NamedTuple):
    """The session that a request names."""

    #: None: it names none that lives.
    id: str | None
    #: What is to be said then: a close code, and why.
    code: int
    reason: str


class Connection(ABC):
    """A connection of the application's, as an ASGI callable in front of it.

    Args:
        handle: the application's.
        scope: the connection's.
        bonds: what ends with a session.
        tasks: where a goodbye is said.
    """

    # What the application is told as its client leaves.
    _gone: ClassVar[dict[str, Any]]
    _may_stay: ClassVar[bool]

    def __init__(self, handle: Handle, scope: WWWScope, bonds: Bonds, tasks: Tasks) -> None:
        self._handle = handle
        self._scope = scope
        self._bonds = bonds
        self._tasks = tasks
        self._bond: Bond | None = None
        self._receiving: asyncio.Task[Any] | None = None
        self._counts = False
        #: Whether it has been ended from here; and what is set once all is said.
        self.ended = False
        self._goodbye = protocol.ENDED, UNKNOWN
        self._all_said = asyncio.Event()

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer a connection."""
        self._from_client: Any = receive
        self._to_client: Any = send
        try:
            await self._handle(self._receive, self._send)
        finally:
            self._leave()
        if self.ended:
            await self._all_said.wait()

    async def _join(self, find: Callable[[], Named]) -> None:
        """Bind this to a session. If that is over, or cannot be read, this has `ended` then."""
        try:
            named = find()
            if named.id is None:
                self._end(named.code, named.reason)
            else:
                self._bond = Bond(self._end, may_stay=self._may_stay)
                await self._bonds.join(self._bond, named.id, self._to_client)
        except StoreUnavailable:
            self._end(protocol.TRY_AGAIN, _STORE_DOWN)

    def _leave(self) -> None:
        if self._bond is not None:
            self._bonds.leave(self._bond)

    async def _receive(self) -> Any:
        if self.ended:
            return self._gone
        task = self._receiving = asyncio.current_task()
        cancelling = task.cancelling() if task is not None else 0
        try:
            message = await self._from_client()
        except asyncio.CancelledError:
            if not self.ended or task is None or task.uncancel() > cancelling:
                raise
            return self._gone
        finally:
            self._receiving = None
            if self.ended:  # not before: two may not receive at once
                self._tasks.start(self._say())
        if message["type"] == self._gone["type"]:
            self._leave()
        elif self._counts and self._bond is not None and message["type"] == "websocket.receive":
            self._bonds.note_input(self._bond)
        return message

    @abstractmethod
    async def _send(self, message: Any) -> None:
        """Pass on what the application sends, unless this has been ended."""

    def _end(self, code: int, reason: str) -> None:
        """End it: whatever it waits for, the application is told that the client has left."""
        if self.ended:
            return
        self.ended = True
        self._goodbye = code, reason
        if self._receiving is not None:
            self._receiving.cancel()
        else:
            self._tasks.start(self._say())

    async def _say(self) -> None:
        """Tell the client."""
        try:
            await self._say_goodbye(*self._goodbye)
        except Exception as error:  # whatever a server says of a connection that is gone
            _log.debug("a bound connection could not be told of the end: %r", error)
        finally:
            self._all_said.set()

    @abstractmethod
    async def _say_goodbye(self, code: int, reason: str) -> None:
        """Tell the client, by what its protocol has for it."""


class AppSocket(Connection):
    """A WebSocket of the application's."""

    _gone: ClassVar[dict[str, Any]] = {"type": "websocket.disconnect", "code": 1006}
    _may_stay = False

    _accepted = False
    # The view's task: others may send, too.
    _viewing: asyncio.Task[Any] | None = None

    async def bind(self, find: Callable[[], Named], *, activity: bool) -> bool:
        """Have this end with a session; whether there is one.

        Args:
            find: the session that the request names; may raise `StoreUnavailable`.
            activity: whether what comes on the socket is activity.
        """
        self._viewing = asyncio.current_task()
        self._counts = activity
        await self._join(find)
        return not self.ended

    async def _send(self, message: Any) -> None:
        kind = message["type"]
        if self.ended:
            if kind == "websocket.send":
                if asyncio.current_task() is self._viewing:
                    self._viewing = None
                    raise asyncio.CancelledError  # once: one that takes no notice may try for ever
                raise OSError("the session of this socket is over")  # as if the client had left
            return
        if kind == "websocket.accept":
            self._accepted = True
        elif kind != "websocket.send":  # it is closed, or refused, by the application
            self._leave()
        await self._to_client(message)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(
                CLOSE_TIMEOUT_SHARED if is_shared(self._scope) else CLOSE_TIMEOUT
            ):
                if not self._accepted:  # a refusal would tell nothing
                    offered: Any = self._scope.get("subprotocols") or [None]
                    accept = {"type": "websocket.accept", "subprotocol": offered[0], "headers": []}
                    await self._to_client(accept)
                reason = protocol.close_reason(reason)
                await self._to_client({"type": "websocket.close", "code": code, "reason": reason})
                while (await self._from_client())["type"] != "websocket.disconnect":
                    pass
        except TimeoutError:
            self._tasks.start(read_away(self._from_client))


class AppRequest(Connection):
    """A request of the application's; its response can be a stream that ends with a session."""

    _gone: ClassVar[dict[str, Any]] = {"type": "http.disconnect"}
    # The server waits for responses that are under way.
    _may_stay = True

    _find: Callable[[], Named] | None = None
    _started = False

    def bind_stream(self, find: Callable[[], Named]) -> None:
        """Have the response end with a session.

        Args:
            find: the session that the request names, once its changes have been saved; may raise
                `StoreUnavailable`.
        """
        self._find = find

    async def _send(self, message: Any) -> None:
        if self.ended:
            raise asyncio.CancelledError  # it is about to be, or the body takes no notice
        if message["type"] == "http.response.start" and self._find is not None:
            await self._start(message, self._find)
        elif not message.get("more_body", True):
            self._leave()
        await self._to_client(message)

    async def _start(self, start: Any, find: Callable[[], Named]) -> None:
        """Bind the response, which has not begun; or answer something else."""
        self._start_message = start
        await self._join(find)
        if self.ended:
            raise asyncio.CancelledError
        self._started = True

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
            *(it for it in self._start_message["headers"] if it[0].lower() == b"set-cookie"),
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
