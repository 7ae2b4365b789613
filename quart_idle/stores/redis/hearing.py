"""Hearing what happens to sessions on every worker: a subscription that knows when it is deaf.

A subscription can fall silent without an error, and what is told meanwhile is lost. So each worker
says something to itself once a second (`sweep`), and hears it, or subscribes anew.

redis-py's `PubSub` is not used. When a connection is lost it makes another by itself, and says so
to nobody: `hears` would promise that nothing was missed. What it would spare is two lines that
subscribe. (A message costs this process 22 microseconds of CPU by way of it, and 15 here.)
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from time import monotonic
from typing import Any, Final

from ...log import Outage
from ..base import Ended, Listener, Live
from .check import check_servers
from .cluster import Cluster
from .connection import connect
from .keys import Keys
from .packing import to_bytes, to_text, unpack_clocks
from .trips import Server

# How long to wait for a message, until it is seen to whether the subscription is deaf, in seconds.
_WAIT: Final = 1.0
# After how long without one's own message, where no other comes either, it is deaf, in seconds.
_DEAF: Final = 5.0
# The same while others come, in seconds: one's own may be behind thousands of them.
_DEAF_WHILE_BUSY: Final = 30.0
# How long messages that have come are passed on before other tasks of the loop run, in seconds.
_TURN: Final = 0.02
# How long after a failure to subscribe again, in seconds.
_AGAIN: Final = 0.5


class Hearing:
    """A subscription, and what is done with what it hears.

    Args:
        trips: the way to Redis.
        keys: the names of the channels.
        tell: told of what happened to which session.
        timeout: how long a call may take, in seconds.
    """

    def __init__(
        self,
        trips: Server | Cluster,
        keys: Keys,
        tell: Listener,
        timeout: float,
    ) -> None:
        self._trips = trips
        self._telling = to_bytes(keys.telling)
        self._heartbeat = to_bytes(keys.heartbeat)
        self._tell = tell
        self._timeout = timeout
        self._since: float | None = None
        self._checked = False
        self._outage = Outage("what Redis tells of sessions")
        #: Whether there has been a subscription yet.
        self.begun = asyncio.Event()

    @property
    def is_deaf(self) -> bool:
        """Whether there is no subscription now."""
        return self._since is None

    def hears(self, since: float) -> bool:
        """As `Store.hears`."""
        # A call that was answered at that moment may have been handled a time-out earlier.
        return self._since is not None and self._since + self._timeout <= since

    async def run(self) -> None:
        """Hear, until this is cancelled."""
        while True:
            connection = None
            try:
                connection = await self._subscribed()
                if not self._checked:
                    self._checked = await check_servers(self._trips, self._timeout)
                self._since = monotonic()
                self._outage.answered()
                self.begun.set()
                await self.pass_on(connection)
                self._outage.failed("it went silent; subscribing again")
            except Exception as error:  # whatever it was, it is tried again
                self._outage.failed(repr(error))
            finally:
                self._since = None
                if connection is not None:
                    with suppress(Exception):
                        await connection.disconnect(nowait=True)
            await asyncio.sleep(_AGAIN)

    async def _subscribed(self) -> Any:
        """A connection with the subscription."""
        connection = None
        try:
            async with asyncio.timeout(self._timeout):
                # Any will do: the nodes of a cluster pass on what is published.
                connection = secrets.choice(await self._trips.connections())
                await connect(connection)
                await connection.send_command("SUBSCRIBE", self._telling, self._heartbeat)
                for _ in range(2):
                    await connection.read_response(disable_decoding=True, push_request=True)
        except BaseException:
            if connection is not None:
                with suppress(Exception):
                    await connection.disconnect(nowait=True)
            raise
        return connection

    async def pass_on(self, connection: Any) -> None:
        """Pass on messages, until the worker's own ones do not come back any more."""
        own = turn = monotonic()
        silent = False
        while (now := monotonic()) - own < (_DEAF if silent else _DEAF_WHILE_BUSY):
            if now - turn > _TURN:
                # Thousands of messages may have come at once, and none of them is waited for.
                await asyncio.sleep(0)
                turn = monotonic()
            message = await connection.read_response(
                disable_decoding=True, timeout=_WAIT, push_request=True
            )
            silent = message is None
            if message is None:
                continue
            _, channel, data = message
            if channel != self._telling:
                own = monotonic()
            else:
                self._tell_of(data)

    def _tell_of(self, data: bytes) -> None:
        kind, *parts = data.split(b"\n", 3)
        if kind == b"live" and len(parts) == 3:
            self._tell(to_text(parts[0]), Live(unpack_clocks(parts[2]), float(parts[1])))
        elif kind == b"ended" and len(parts) == 3:
            self._tell(to_text(parts[0]), Ended(to_text(parts[2]), float(parts[1])))
        # What else there is comes from a version that knows more.
