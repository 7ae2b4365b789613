"""Connections of the application's own, which can end with a session.

To the application such an end is what it is when its client leaves: a view that copes with that
copes with this. So nothing waits for the end while it does not come: on a socket it is put in the
place of what that is waiting for, the client's next message; a stream's sender is cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, NamedTuple

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WWWScope

from .. import protocol
from ..exceptions import StoreUnavailable
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

    Most are never bound: such a one costs next to nothing.

    Args:
        handle: the application's.
        scope: the connection's.
        bonds: what ends with a session.
        tasks: where a goodbye is said.
    """

    _may_stay: ClassVar[bool]

    #: Whether it has been ended from here.
    ended = False
    _bond: Bond | None = None
    # What is said to the client then; and what is set once that is said.
    _goodbye: tuple[int, str]
    _all_said: asyncio.Event

    def __init__(self, handle: Handle, scope: WWWScope, bonds: Bonds, tasks: Tasks) -> None:
        self._handle = handle
        self._scope = scope
        self._bonds = bonds
        self._tasks = tasks

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer a connection."""
        self._to_client: Any = send
        try:
            await self._handle(self._hear(receive), self._send)
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

    @abstractmethod
    def _hear(self, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
        """What the application hears its client by."""

    @abstractmethod
    def _send(self, message: Any) -> Awaitable[None]:
        """Pass on what the application sends, unless this has been ended."""

    def _end(self, code: int, reason: str) -> None:
        """End it: whatever it waits for, to the application it is as if its client had left."""
        if self.ended:
            return
        self.ended = True
        self._goodbye = code, reason
        self._all_said = asyncio.Event()
        self._interrupt()

    @abstractmethod
    def _interrupt(self) -> None:
        """Have the application hear of the end, and the client."""

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

    # What the application is told as its client leaves.
    _gone: ClassVar[dict[str, Any]] = {"type": "websocket.disconnect", "code": 1006}
    _may_stay = False

    _accepted = False
    _counts = False
    # Who waits for the client's next message.
    _receiving: asyncio.Task[Any] | None = None
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

    def _hear(self, receive: ASGIReceiveCallable) -> ASGIReceiveCallable:
        self._from_client: Any = receive
        return self._receive

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

    def _interrupt(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
        else:
            self._tasks.start(self._say())

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
