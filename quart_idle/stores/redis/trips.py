"""Trips to a server: what is asked for in one turn of the event loop goes there together.

That is what makes many requests at once cheap: `connection` has the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from redis import asyncio as aioredis
from redis.exceptions import ConnectionError, NoScriptError, ReadOnlyError, RedisError

from ...exceptions import StoreUnavailable
from ...tasks import end_tasks
from ..asking import Limit
from .clock import ServerClock, seconds
from .connection import Command, Connection, timeless
from .keys import together
from .scripts import LATE, Script

# One connection is enough while Redis is quick; with more, a trip that is slow does not hold up
# what is asked after it.
_CONNECTIONS: Final = 3

#: The most calls in one trip, and sessions in one script: neither Redis nor the loop is held up.
MOST_AT_ONCE: Final = 500

_TIME: Final = ("TIME",)
_CLOSED: Final = ConnectionError("the store was closed")


@dataclass(slots=True)
class _Asked:
    """What somebody waits for, and since when, by this process's monotonic clock."""

    answer: asyncio.Future[Any]
    since: float

    def give(self, answer: Any) -> None:
        if self.answer.done():  # whoever waited has left
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


@dataclass(slots=True)
class _Load(_Asked):
    """A hash to read."""

    key: bytes


@dataclass(slots=True)
class _Call(_Asked):
    """A script to run."""

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[Any]
    #: When it is given up, and is to do nothing any more; None: it is wanted at any time.
    until: float | None

    @property
    def is_wanted(self) -> bool:
        return self.until is None or not self.answer.done()


class Trips:
    """Takes what is asked for to one server, and the answers back.

    A trip has a task of its own: whoever leaves in the middle of it tears nothing, and takes no
    other's answer along.

    Args:
        make: makes a connection that is not connected yet.
        timeout: how long a trip may take, in seconds.
    """

    def __init__(self, make: Callable[[], Connection], timeout: float) -> None:
        self._make = make
        self._timeout = timeout
        self._loads: list[_Load] = []
        self._calls: list[_Call] = []
        self._tasks: list[asyncio.Task[None]] = []  # one for each connection
        self._free: list[asyncio.Future[None]] = []  # those of them that wait for something to do
        self._clock = ServerClock()

    async def call(
        self, script: Script, keys: Sequence[bytes], *arguments: Any, until: float | None = None
    ) -> Any:
        """What a script answers.

        Args:
            script: the script.
            keys: what it works on.
            *arguments: what else it is given.
            until: for one that takes, first of all, after when it is to do nothing: when whoever
                calls gives up, by this process's monotonic clock.

        Raises:
            StoreUnavailable: Redis did not answer, or not what it was asked for.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls.append(_Call(answer, monotonic(), script, keys, arguments, until))
        return await self._answered(answer)

    async def load(self, key: bytes) -> tuple[Any, float]:
        """A hash, and Redis's clock when it was read, in seconds.

        Raises:
            StoreUnavailable: Redis did not answer, or not what it was asked for.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._loads.append(_Load(answer, monotonic(), key))
        found: tuple[Any, float] = await self._answered(answer)
        return found

    async def close(self) -> None:
        """Give the connections back; whoever waits still is told that the store failed."""
        await end_tasks(self._tasks)
        for asked in (*self._loads, *self._calls):
            asked.give(_CLOSED)

    async def _answered(self, answer: asyncio.Future[Any]) -> Any:
        self._wake()
        try:
            return await answer
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    def _wake(self) -> None:
        """Have a connection take what is waiting, at the next turn of the loop."""
        while self._free:
            waiting = self._free.pop()
            if not waiting.done():
                waiting.set_result(None)
                return
        if len(self._tasks) < _CONNECTIONS:
            self._tasks.append(asyncio.get_running_loop().create_task(self._run()))

    async def _run(self) -> None:
        """Make one trip after another by way of one connection."""
        connection = self._make()
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(0)  # what is asked for in this turn goes together
            while True:
                while not (self._loads or self._calls):
                    waiting = loop.create_future()
                    self._free.append(waiting)
                    await waiting
                loads, calls = self._next_batch()
                if loads or calls:
                    await self._trip(connection, loads, calls)
        finally:
            await connection.drop()

    def _next_batch(self) -> tuple[list[_Load], list[_Call]]:
        """Some of what is waiting."""
        loads, self._loads = self._loads[:MOST_AT_ONCE], self._loads[MOST_AT_ONCE:]
        calls, self._calls = self._calls[:MOST_AT_ONCE], self._calls[MOST_AT_ONCE:]
        if self._loads or self._calls:
            self._wake()
        # What nobody waits for any more is not done; but an end is, which may come at any time.
        return (
            [load for load in loads if not load.answer.done()],
            [call for call in calls if call.is_wanted],
        )

    async def _trip(self, connection: Connection, loads: list[_Load], calls: list[_Call]) -> None:
        """Take these to Redis, and give everybody an answer, whatever happens."""
        # Where no connection was free, some of the time has passed; but each trip gets a quarter.
        waited = monotonic() - min(asked.since for asked in (*loads[:1], *calls[:1]))
        limit = Limit(max(self._timeout - waited, self._timeout / 4))
        loaded: list[Any] = [_CLOSED] * len(loads)
        called: list[Any] = [_CLOSED] * len(calls)
        try:
            async with limit.wait:
                loaded, called = await self._answers(connection, loads, calls)
        except Exception as error:  # the connection is used on, whatever it was
            loaded, called = [error] * len(loads), [error] * len(calls)
            if isinstance(error, TimeoutError):
                self._give_up(error)
            await connection.drop()
        finally:
            limit.cancel()
            for load, answer in zip(loads, loaded, strict=True):
                load.give(answer)
            for call, answer in zip(calls, called, strict=True):
                call.give(answer)
        if LATE in called:
            self._clock.is_doubtful = True
        if any(isinstance(answer, ReadOnlyError) for answer in called):
            await connection.drop()  # the master is another one now

    def _give_up(self, error: Exception) -> None:
        """Redis was silent for a trip's time: so it was for all who have waited for as long."""
        latest = monotonic() - self._timeout
        for asked in (*self._loads, *self._calls):
            if asked.since <= latest:
                asked.give(error)
        self._loads = [load for load in self._loads if not load.answer.done()]
        self._calls = [call for call in self._calls if not call.answer.done()]

    async def _answers(
        self, connection: Connection, loads: list[_Load], calls: list[_Call]
    ) -> tuple[list[Any], list[Any]]:
        """What is answered to what is read, and to the calls."""
        if self._clock.is_doubtful and any(call.until is not None for call in calls):
            self._learn((await self._send(connection, [_TIME]))[0])
            self._clock.is_doubtful = False
        # The time goes first: what is read after it is not older.
        reads = [_TIME, *(("HGETALL", load.key) for load in loads)] if loads else []
        runs = [self._run_command(call) for call in calls]
        answers = await self._send(connection, [*reads, *runs])
        read, called = answers[: len(reads)], answers[len(reads) :]
        unknown = [at for at, answer in enumerate(called) if isinstance(answer, NoScriptError)]
        if unknown:
            wholes = [self._run_command(calls[at], whole=True) for at in unknown]
            for at, answer in zip(unknown, await self._send(connection, wholes), strict=True):
                called[at] = answer
        return self._dated(read), called

    def _run_command(self, call: _Call, whole: bool = False) -> Command:
        """What runs a script; `whole` for one that Redis does not know."""
        return [
            *(("EVAL", call.script.text) if whole else ("EVALSHA", call.script.sha)),
            *(len(call.keys), *call.keys),
            *(() if call.until is None else (self._not_after(call, call.until),)),
            *call.arguments,
        ]

    def _not_after(self, call: _Call, until: float) -> str:
        """When a write is too late, by Redis's clock."""
        now = monotonic()
        if until <= now and not call.answer.done():
            until = now + self._timeout  # whoever waits still is patient: this process was busy
        return self._clock.not_after(until)

    def _dated(self, read: list[Any]) -> list[Any]:
        """What was read, all but the first, with the first: when."""
        if not read:
            return []
        now = self._learn(read.pop(0))
        return [answer if isinstance(answer, Exception) else (answer, now) for answer in read]

    def _learn(self, time: Any) -> float:
        """What Redis says the time is."""
        now = seconds(time)
        self._clock.learn(now, monotonic())
        return now

    async def _send(self, connection: Connection, commands: Sequence[Command]) -> list[Any]:
        """What is answered to commands, which are sent again where the connection was lost."""
        try:
            return await connection.trip(commands)
        except ConnectionError:
            # Closed since it was last used, or in the middle of this: whatever of it was done can
            # be done twice.
            await connection.drop()
            return await connection.trip(commands)


class Server(Trips):
    """Trips to the one server, or to the master that a Sentinel names."""

    by_slot = staticmethod(together)

    def __init__(self, client: aioredis.Redis, timeout: float) -> None:
        make = client.connection_pool.make_connection
        self._connect: Callable[[], Any] = lambda: timeless(make())  # type: ignore[no-untyped-call]
        super().__init__(lambda: Connection(self._connect), timeout)

    async def connections(self, *, anew: bool = False) -> list[Any]:  # noqa: ARG002
        """One to each server, not connected yet; whoever wants them closes them."""
        return [self._connect()]
