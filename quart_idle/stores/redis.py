"""Sessions in Redis: shared by any number of workers on any number of hosts.

A session is a hash, a field a key, under ``prefix:{ab}cdef…``: the id, whose first two characters
are its hash tag, so that on a cluster a session stays on its node when its token changes. Beside
its data a hash has fields whose names no text can have:

- ``\\xff``: the clocks; ``\\xfe``: the user;
- ``\\xfd``, ``\\xfc``: of a session that is over, the reason, and when; ``\\xfb``: its new id;
  ``\\xf9``: that again, if its token alone was changed; ``\\xfa``: the mark of the call that
  ended it.

``prefix:{ab}:due`` is a sorted set: when to look at which session, never later than its deadline
unless that moved closer. Renewals leave it alone. What is due is looked at by whichever worker gets
the sweep, and is ended, or moved on to its deadline.

A box has a fixed number of places for drafts, ``prefix:{ab}:draft:cdef…:0`` and so on: hashes with
a name, a moment and a draft each, which Redis itself throws away when their time is over.

Each write is one script on one slot; it looks at Redis's own clock, does nothing to a session that
is over, and nothing when it comes too late, because whoever wanted it has been told that it failed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha1
from math import inf
from pathlib import Path
from struct import Struct
from time import monotonic
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from hiredis import pack_command
from redis import asyncio as aioredis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,
    NoScriptError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from ..exceptions import ConfigError, StoreUnavailable
from ..policy import Activity, Clocks, Limits, deadline
from ..told import Outage
from .base import (
    DRAFT_KEPT,
    MOST_DRAFTS,
    PERMANENT,
    REASON_KEPT,
    REGENERATED,
    SIGNED_OUT,
    Change,
    Changed,
    Ended,
    Limit,
    Listener,
    Live,
    Record,
)

# Connections that carry calls. One is enough while Redis is quick; with more, a trip that is slow
# does not hold up what is asked after it.
_LANES: Final = 3
# The most calls in one trip, and sessions in one script: neither Redis nor the loop is held up.
_MOST: Final = 500
# How often what is due is looked for, and the subscription is tried by a message, in seconds.
_TICK: Final = 1.0
# How long that message may take before the subscription is made anew, in seconds.
_DEAF: Final = 5.0
# The same while there are others: it may be behind thousands of them.
_BUSY: Final = 30.0
# For how long what others have to do may wait while messages are passed on, in seconds.
_TURN: Final = 0.02
# How many sessions a sweep ends for each hash tag before it comes round again.
_MOST_DUE: Final = 100
# How much longer than it can be alive a session is kept where no worker is left to sweep it.
_ABANDONED: Final = 86_400.0

_CLOCKS, _USER, _REASON, _AT = b"\xff", b"\xfe", b"\xfd", b"\xfc"
# Created, active, seen, own timeout (0: none), whether a page was ever open; and behind that when
# it began, if not when it was created. (What is added goes to the end, where it can be left out:
# while workers are replaced, those of one version meet sessions of another's.)
_PACKED: Final = Struct("<ddddB")
_BEGAN: Final = Struct("<d")
# What of a session a change leaves as it is.
_SAME, _ANEW, _CLEAR = range(3)
# The ages of `seen` and `active`, whether a page was open, which index is the session's.
_SIGN: Final = Struct("<ddBH")
_NONE: Final = -1.0
# How long what was learned of Redis's clock is not replaced by less, in seconds.
_CLOCK_KEPT: Final = 60.0
# How often a write that came too late is tried again, while its caller waits.
_ATTEMPTS: Final = 3
# How long after a look at the nodes of a cluster another may follow, in seconds.
_PAUSE: Final = 0.25
# How much longer than a trip it may take.
_PATIENCE: Final = 4
# After how long a task that was cancelled, and goes on, is cancelled again, in seconds.
_END_AGAIN: Final = 0.1

_TAGS: Final = tuple(f"{number:02x}" for number in range(256))

_log = logging.getLogger("quart_idle")


# Scripts by name: their flags and their own text, after what all of them share.
_LUA: Final = (Path(__file__).parent / "redis.lua").read_text()
_COMMON, *_SCRIPTS = re.split(r"^--- (.*)\n", _LUA, flags=re.MULTILINE)
# What a script that writes answers when it comes too late.
_LATE: Final = -1
# What one that changes a session answers, where there is one.
_DONE: Final = 1
_LEFT_WITH_NOTHING: Final = 2
# What the transports of CPython 3.12 and later say, beside errors of the system, when something is
# written to a connection that was lost: `writelines` does not look.
_LOST: Final = (AttributeError, TypeError)


# How commands get there.


class _Connection:
    """A connection of its own, one trip at a time.

    It is none of a pool's: what a pool of the application's holds is the application's.

    Args:
        make: makes a connection that is not connected yet.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._connection: Any = None

    async def trip(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """What is answered to each; an error that Redis answers is among the answers."""
        if self._connection is None:
            self._connection = self._make()
            await self._connection.connect()
        connection = self._connection
        packed = b"".join([pack_command(tuple(command)) for command in commands])
        try:
            await connection.send_packed_command(packed, check_health=False)
        except _LOST as error:
            raise ConnectionError("the connection was lost") from error
        answers = []
        for _ in commands:
            try:
                answers.append(await connection.read_response(disable_decoding=True))
            except ResponseError as error:
                answers.append(error)
        return answers

    async def drop(self) -> None:
        """Forget a connection whose answers may still be on their way."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)


class _NodeConnection(_Connection):
    """A connection to a node of a cluster; what is elsewhere by now is asked for there."""

    def __init__(self, client: aioredis.RedisCluster, node: ClusterNode) -> None:
        super().__init__(partial(_connect, node))
        self._client = client

    async def trip(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        answers = await super().trip(commands)
        for at, answer in enumerate(answers):
            if isinstance(answer, (AskError, TryAgainError)):  # or MovedError, an AskError
                try:
                    # It knows the way, and learns what has moved for good.
                    answers[at] = await self._client.execute_command(
                        *commands[at], NEVER_DECODE=True
                    )
                except (RedisError, OSError) as error:
                    answers[at] = error
                except (RedisClusterException, *_LOST) as error:
                    answers[at] = ConnectionError(str(error))
        return answers


def _connect(node: ClusterNode) -> Any:
    return _timeless(node.connection_class(**node.connection_kwargs))


def _timeless(connection: Any) -> Any:
    """Take a connection's own time-out away, since what it is used for has one.

    Sending under it is `asyncio.wait_for`, which under Python 3.11 can lose a cancellation: whoever
    closes the store would wait for ever.
    """
    connection.socket_timeout = None
    return connection


# The keys that one script can have together.


def _together(keys: Iterable[bytes]) -> Iterable[list[bytes]]:
    return [found] if (found := list(keys)) else []


def _by_tag(keys: Iterable[bytes]) -> Iterable[list[bytes]]:
    groups: dict[bytes, list[bytes]] = {}
    for key in keys:
        groups.setdefault(key.partition(b"}")[0], []).append(key)
    return groups.values()


@dataclass(slots=True)
class _Asked:
    """What somebody waits for, and since when, by this process's monotonic clock."""

    waiting: asyncio.Future[Any]
    since: float


@dataclass(slots=True)
class _Load(_Asked):
    """A key to read."""

    key: bytes


@dataclass(slots=True)
class _Call(_Asked):
    """A script to run."""

    script: str
    keys: Sequence[bytes]
    arguments: Sequence[Any]
    #: After when it is to do nothing, if there is such a moment.
    until: float | None


_TIME: Final = ("TIME",)
_CLOSED: Final = ConnectionError("the store was closed")
# What says that another node may have a slot by now.
_NODE_DOWN: Final = (ConnectionError, ClusterDownError, RedisTimeoutError, OSError)


def _give(waiting: asyncio.Future[Any], answer: Any) -> None:
    if waiting.done():  # whoever waited has left
        return
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)


class _Trips:
    """Takes what is asked for in one turn of the event loop to Redis together.

    A trip has a task of its own: whoever leaves in the middle of it tears nothing, and takes no
    other's answer along.

    Args:
        lane: makes what takes commands to Redis and back.
        timeout: how long a trip may take, in seconds.
    """

    def __init__(self, lane: Callable[[], _Connection], timeout: float) -> None:
        self._lane = lane
        self._timeout = timeout
        self._calls: list[_Call] = []
        self._loads: list[_Load] = []
        self._lanes: list[asyncio.Task[None]] = []
        self._idle: list[asyncio.Future[None]] = []
        # Redis's clock less this process's monotonic one, at least; when that was learned; and
        # whether a write came too late by it.
        self._offset = -inf
        self._learned = -inf
        self._doubted = True

    async def call(
        self, script: str, keys: Sequence[bytes], *arguments: Any, until: float | None = None
    ) -> Any:
        """What a script answers.

        Args:
            script: its text.
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
        """A hash, and Redis's clock when it was read.

        Raises:
            StoreUnavailable: Redis did not answer, or not what it was asked for.
        """
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._loads.append(_Load(answer, monotonic(), key))
        found: tuple[Any, float] = await self._answered(answer)
        return found

    async def _answered(self, answer: asyncio.Future[Any]) -> Any:
        self._wake()
        try:
            return await answer
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable from error

    async def close(self) -> None:
        await _end(self._lanes)
        for asked in (*self._loads, *self._calls):
            _give(asked.waiting, _CLOSED)

    def _wake(self) -> None:
        """Have a lane take what is waiting, at the next turn of the loop."""
        while self._idle:
            waiting = self._idle.pop()
            if not waiting.done():
                waiting.set_result(None)
                return
        if len(self._lanes) < _LANES:
            self._lanes.append(asyncio.get_running_loop().create_task(self._run()))

    async def _run(self) -> None:
        lane = self._lane()
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(0)  # what is asked for in this turn goes together
            while True:
                while not (self._loads or self._calls):
                    waiting = loop.create_future()
                    self._idle.append(waiting)
                    await waiting
                loading, calls = self._take()
                if loading or calls:
                    await self._trip(lane, loading, calls)
        finally:
            await lane.drop()

    def _take(self) -> tuple[list[_Load], list[_Call]]:
        """Some of what is waiting."""
        loading, self._loads = self._loads[:_MOST], self._loads[_MOST:]
        calls, self._calls = self._calls[:_MOST], self._calls[_MOST:]
        if self._loads or self._calls:
            self._wake()
        # What nobody waits for any more is not done; but an end is, which may come at any time.
        loading = [load for load in loading if not load.waiting.done()]
        calls = [call for call in calls if call.until is None or not call.waiting.done()]
        return loading, calls

    def _give_up(self, error: Exception) -> None:
        """Redis was silent for a trip's time: so it was for all who have waited for as long."""
        latest = monotonic() - self._timeout
        for asked in (*self._loads, *self._calls):
            if asked.since <= latest:
                _give(asked.waiting, error)
        self._loads = [load for load in self._loads if not load.waiting.done()]
        self._calls = [call for call in self._calls if not call.waiting.done()]

    def _learn(self, told: float) -> None:
        """Take in what Redis's clock said a while ago: the shorter ago, the more it is."""
        now = monotonic()
        if told - now >= self._offset or now - self._learned > _CLOCK_KEPT:
            self._offset, self._learned = told - now, now

    async def _trip(self, lane: _Connection, loading: list[_Load], calls: list[_Call]) -> None:
        # Where no lane was free, some of the time has passed; but let every trip have a chance.
        waited = monotonic() - min(asked.since for asked in (*loading[:1], *calls[:1]))
        limit = Limit(max(self._timeout - waited, self._timeout / 4))
        answers: list[Any] = [_CLOSED] * (len(loading) + len(calls))
        try:
            async with limit.wait:
                answers = await self._travel(lane, loading, calls)
        except Exception as error:  # the lane goes on, whatever it was
            answers = [error] * len(answers)
            if isinstance(error, TimeoutError):
                self._give_up(error)
            await lane.drop()
        finally:
            limit.cancel()
            for asked, answer in zip((*loading, *calls), answers, strict=True):
                _give(asked.waiting, answer)
        if _LATE in answers:
            self._doubted = True
        if any(isinstance(answer, ReadOnlyError) for answer in answers):
            await lane.drop()  # the master is another one now

    async def _travel(
        self, lane: _Connection, loading: list[_Load], calls: list[_Call]
    ) -> list[Any]:
        """What is answered to what is read, then to the calls."""
        if self._doubted and any(call.until is not None for call in calls):
            self._told((await self._reach(lane, [_TIME]))[0])
            self._doubted = False
        # The time goes first: what is read after it is not older.
        reads = [_TIME, *(("HGETALL", load.key) for load in loading)] if loading else []
        scripts: list[Sequence[Any]] = [
            [
                *("EVALSHA", _sha(call.script), len(call.keys), *call.keys),
                *(() if call.until is None else (self._fence(call.until),)),
                *call.arguments,
            ]
            for call in calls
        ]
        answers = await self._reach(lane, [*reads, *scripts])
        if loading:
            now = self._told(answers.pop(0))
            for at in range(len(loading)):
                if not isinstance(answers[at], Exception):
                    answers[at] = answers[at], now
        unknown = [
            at
            for at, answer in enumerate(answers[len(loading) :])
            if isinstance(answer, NoScriptError)
        ]
        if unknown:
            whole = [["EVAL", calls[at].script, *scripts[at][2:]] for at in unknown]
            for at, answer in zip(unknown, await self._reach(lane, whole), strict=True):
                answers[len(loading) + at] = answer
        return answers

    def _told(self, time: Any) -> float:
        """What Redis says the time is."""
        if isinstance(time, Exception):
            raise time
        now = int(time[0]) + int(time[1]) / 1e6
        self._learn(now)
        return now

    async def _reach(self, lane: _Connection, commands: Sequence[Sequence[Any]]) -> list[Any]:
        try:
            return await lane.trip(commands)
        except ConnectionError:
            # Closed since it was last used, or in the middle of this: whatever of it was done can
            # be done twice.
            await lane.drop()
            return await lane.trip(commands)

    def _fence(self, until: float) -> str:
        """When a write is too late, by Redis's clock."""
        now = monotonic()
        # Whoever still waits then is patient, since this process was busy.
        return f"{(until if until > now else now + self._timeout) + self._offset:.6f}"


class _Server(_Trips):
    """Trips to a server, or to the master that a Sentinel names."""

    by_slot = staticmethod(_together)

    def __init__(self, client: aioredis.Redis, timeout: float) -> None:
        make = client.connection_pool.make_connection
        self._make: Callable[[], Any] = lambda: _timeless(make())  # type: ignore[no-untyped-call]
        super().__init__(lambda: _Connection(self._make), timeout)

    async def connections(self) -> list[Any]:
        """One to each server, not connected yet; whoever wants them closes them."""
        return [self._make()]


class _Cluster:
    """Trips to the nodes of a cluster, each node's its own: a silent one holds up no other."""

    by_slot = staticmethod(_by_tag)

    def __init__(self, client: aioredis.RedisCluster, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._nodes: dict[str, _Trips] = {}
        self._known = False
        self._looking: asyncio.Task[None] | None = None
        self._looked = -_PAUSE
        self._looks = Outage("the list of the Redis cluster's nodes")

    async def call(
        self, script: str, keys: Sequence[bytes], *arguments: Any, until: float | None = None
    ) -> Any:
        return await self._at(
            keys[0], lambda node: node.call(script, keys, *arguments, until=until)
        )

    async def load(self, key: bytes) -> tuple[Any, float]:
        found: tuple[Any, float] = await self._at(key, lambda node: node.load(key))
        return found

    async def connections(self) -> list[Any]:
        """One to each master, not connected yet; whoever wants them closes them."""
        await self._know()
        return [_connect(node) for node in self._client.get_primaries()]

    async def close(self) -> None:
        if self._looking is not None:
            await _end([self._looking])
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    async def _at(self, key: bytes, ask: Callable[[_Trips], Awaitable[Any]]) -> Any:
        """Ask the node that has a key; if that fails, the one that has it then."""
        await self._know()
        try:
            return await ask(self._node(key))
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, _NODE_DOWN):
                raise
            looking = self._look()
            if isinstance(error.__cause__, (TimeoutError, RedisTimeoutError)):
                raise  # whoever asked has given up
        await asyncio.wait([looking])
        return await ask(self._node(key))

    def _node(self, key: bytes) -> _Trips:
        try:
            node = self._client.nodes_manager.get_node_from_slot(self._client.keyslot(key))
        except RedisClusterException as error:
            raise StoreUnavailable from error
        if node.name not in self._nodes:
            lane = partial(_NodeConnection, self._client, node)
            self._nodes[node.name] = _Trips(lane, self._timeout)
        return self._nodes[node.name]

    async def _know(self) -> None:
        if not self._known:
            await asyncio.wait([self._look()])
            if not self._known:
                raise StoreUnavailable from ConnectionError("no node of the cluster answers")

    def _look(self) -> asyncio.Task[None]:
        """See which node has what: once for all who want to know, whoever of them leaves."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._ask_nodes())
        return self._looking

    async def _ask_nodes(self) -> None:
        await asyncio.sleep(self._looked + _PAUSE - monotonic())
        try:
            # It asks one after the other, in any order, until one answers.
            async with asyncio.timeout(_PATIENCE * self._timeout):
                if self._known:
                    await self._client.nodes_manager.initialize()
                else:
                    await self._client.initialize()
                    self._known = True
        except (RedisError, RedisClusterException, OSError) as error:
            self._looks.failed(repr(error))
        else:
            self._looks.answered()
        finally:
            self._looked = monotonic()


@cache
def _sha(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


class RedisStore:
    """A `Store` in Redis 7.0 or later, for any number of workers.

    Args:
        client: a ``redis.asyncio`` client of the application's, which stays open when the store
            closes; or a URL: ``redis://``, ``rediss://``, ``unix://``,
            ``redis+cluster://host[,host…]`` or ``redis+sentinel://host[,host…]/service``.

    Raises:
        ConfigError: the URL is wrong.
    """

    def __init__(self, client: aioredis.Redis | aioredis.RedisCluster | str) -> None:
        self._owns_client = isinstance(client, str)
        try:
            self._make = _maker(client) if isinstance(client, str) else lambda _: client
        except ConfigError as error:
            del client  # a traceback may show the variables
            raise error.with_traceback(None) from None
        # To find the node of a cluster takes time that no trip's limit counts.
        self.timely = not (
            client.startswith("redis+cluster:")
            if isinstance(client, str)
            else isinstance(client, aioredis.RedisCluster)
        )
        self._name = secrets.token_hex(8)
        self._terms: tuple[Limits, str, float] | None = None
        self._listeners: list[Listener] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard_since: float | None = None
        self._hearing = Outage("what Redis tells of sessions")
        self._sweeping = Outage("looking for sessions that are due, in Redis,")

    def bind(
        self, limits: Limits, listener: Listener, prefix: str = "quart-idle", timeout: float = 1.0
    ) -> None:
        terms = limits, prefix, timeout
        if self._terms not in (None, terms):
            raise ConfigError(
                "this RedisStore serves an application with other limits, another key prefix or "
                "another store timeout already"
            )
        self._terms = terms
        self._limits, self._prefix, self._timeout = terms
        self._listeners.append(listener)
        self._told = f"{prefix}:told"
        self._beats = f"{prefix}:beat:{self._name}"
        constants = {
            "TIMEOUT": limits.timeout,
            "LIFETIME": "1/0" if limits.lifetime is None else limits.lifetime,
            "CLOSED": "1/0" if limits.closed_timeout is None else limits.closed_timeout,
            "WARNING": limits.warning,
            "KEPT": REASON_KEPT,
            "ABANDONED": _ABANDONED,
            "DRAFT_KEPT": DRAFT_KEPT,
            "MOST_DUE": _MOST_DUE,
            "REGENERATED": f"'{REGENERATED}'",
            "SIGNED_OUT": f"'{SIGNED_OUT}'",
            "PERMANENT": f"'{PERMANENT}'",
            "SAME": f"'{_SAME}'",
            "CLEAR": f"'{_CLEAR}'",
            "CHANNEL": f"'{self._told}'",
        }
        common = "".join(f"local {name} = {value}\n" for name, value in constants.items()) + _COMMON
        self._scripts = {}
        for heading, body in zip(_SCRIPTS[::2], _SCRIPTS[1::2], strict=True):
            name, _, flags = heading.partition(" ")
            self._scripts[name] = f"#!lua {flags}\n{common}{body}"

    # The work of this process.

    def _start(self) -> _Server | _Cluster:
        """Have the work under way, in this event loop: an earlier one is gone."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._terms is None:
                raise RuntimeError("a store is bound before it is used")
            self._loop = loop
            client = self._client = self._make(self._timeout)
            self._trips: _Server | _Cluster
            if isinstance(client, aioredis.RedisCluster):
                self._trips = _Cluster(client, self._timeout)
            else:
                self._trips = _Server(client, self._timeout)
            self._heard_since = None
            self._subscribed = asyncio.Event()
            self._tasks = [loop.create_task(work) for work in (self._listen(), self._sweep())]
        return self._trips

    async def open(self) -> None:
        self._start()
        await self._subscribed.wait()

    async def _look_at_servers(self) -> bool:
        """Say what is wrong with them. False: not all could be asked."""
        try:
            async with asyncio.timeout(self._timeout):
                for connection in await self._trips.connections():
                    await self._look_at(connection)
        except (RedisError, OSError, StoreUnavailable):
            return False
        return True

    async def _look_at(self, connection: Any) -> None:
        try:
            await connection.connect()
            await connection.send_command("INFO")
            told = _text(await connection.read_response(disable_decoding=True))
        except ResponseError as error:  # not everybody may ask
            _log.info("Redis does not say what it is: %s", error)
        else:
            for wrong in _wrong_with(told):
                _log.error(wrong)
        finally:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            return
        self._loop = None
        await _end(self._tasks)
        await self._trips.close()
        if self._owns_client:
            await self._client.aclose()

    async def _call(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        return await self._start().call(self._scripts[name], keys, *arguments)

    async def _write(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        """Run a script that does nothing once its caller has given up."""
        until = monotonic() + self._timeout
        for _ in range(_ATTEMPTS):
            answer = await self._start().call(self._scripts[name], keys, *arguments, until=until)
            if answer != _LATE:
                return answer
            # Nothing happened. It was late, or Redis's clock was set; whoever calls waits still.
        raise StoreUnavailable from TimeoutError("a write came to Redis too late")

    # Names.

    def _key(self, id: str) -> bytes:
        return f"{self._prefix}:{{{id[:2]}}}{id[2:]}".encode("utf-8", "surrogatepass")

    def _index(self, id: str) -> bytes:
        return f"{self._prefix}:{{{id[:2]}}}:due".encode("utf-8", "surrogatepass")

    def _places(self, box: str) -> list[bytes]:
        start = f"{self._prefix}:{{{box[:2]}}}:draft:{box[2:]}"
        return [f"{start}:{number}".encode() for number in range(MOST_DRAFTS)]

    # Reading.

    async def load(self, id: str) -> Record | Ended | None:
        found, now = await self._start().load(self._key(id))
        if not found:
            return None
        # RESP2 has a list in its place.
        fields = (
            found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
        )
        raw = fields.pop(_CLOCKS, None)
        if raw is None:
            return _ended(fields.get(_REASON), fields.get(_AT), now)
        clocks = _unpack(raw)
        end, why = deadline(clocks, self._limits)
        if end <= now:  # it is swept soon
            return _ended(why.encode(), end, now)
        user = fields.pop(_USER, None)
        data = {_text(name): value for name, value in fields.items()}
        return Record(data, None if user is None else _text(user), clocks, now)

    # Writing.

    async def create(self, id: str, change: Change) -> Clocks:
        keys = self._key(id), self._index(id)
        return _unpack(await self._write("create", keys, *_arguments(change)))

    async def save(self, id: str, change: Change) -> Changed | None:
        mark = secrets.token_bytes(8) if change.takes else b""
        while True:
            keys = self._key(id), self._index(id)
            answer = await self._write("save", keys, mark, *_arguments(change))
            if not isinstance(answer, bytes):
                return self._changed(answer, id, id)
            id = _text(answer)

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        mark = _bytes(new_id) if change.takes else b""
        keys = self._key(id), self._index(id), self._key(new_id), self._index(new_id)
        answer = await self._write("regenerate", keys, _bytes(new_id), mark, *_arguments(change))
        if answer == _DONE:
            self._tell_deaf(id, REGENERATED)
        return self._changed(answer, id, new_id)

    def _changed(self, answer: int, id: str, new_id: str) -> Changed | None:
        if answer == _LEFT_WITH_NOTHING:
            self._tell_deaf(id, SIGNED_OUT)
            return Changed(id, ended=True)
        return Changed(new_id) if answer == _DONE else None

    async def end(self, id: str, reason: str) -> str | None:
        mark = secrets.token_bytes(8)  # an end that is asked for again is told by it
        while True:
            keys = self._key(id), self._index(id)
            answer = await self._call("end", keys, _bytes(reason), mark)
            if not isinstance(answer, bytes):
                break
            id = _text(answer)
        if not answer:
            return None
        self._tell_deaf(id, reason)
        return id

    async def renew(self, activities: Mapping[str, Activity]) -> Mapping[str, Live | Ended | None]:
        trips = self._start()
        by_key = {self._key(id): id for id in activities}
        outcomes: dict[str, Live | Ended | None] = {}

        async def some(keys: Sequence[bytes]) -> None:
            ids = [by_key[key] for key in keys]
            indexes: dict[bytes, int] = {}
            signs = b""
            for id in ids:
                seen, active, paged = activities[id]
                number = indexes.setdefault(self._index(id), len(indexes) + 1)
                signs += _SIGN.pack(seen, _NONE if active is None else active, paged, number)
            told, *answers = await self._write("renew", [*keys, *indexes], len(ids), signs)
            now = float(told)
            for id, answer in zip(ids, answers, strict=True):
                if isinstance(answer, bytes):
                    outcomes[id] = Live(_unpack(answer), now)
                else:
                    outcomes[id] = _ended(answer[0], answer[1], now)

        failed = await _all(
            some(keys[start : start + _MOST])
            for keys in trips.by_slot(by_key)
            for start in range(0, len(keys), _MOST)
        )
        if failed and not outcomes:
            raise failed[0]
        return outcomes

    # Drafts.

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        await self._write("keep", self._places(box), _bytes(name), draft)

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        found = await self._call("drafts", self._places(box))
        return {_text(name): (draft, float(age)) for name, draft, age in found}

    async def drop_draft(self, box: str, name: str) -> None:
        await self._write("drop", self._places(box), _bytes(name))

    # Who is told.

    def hears(self, since: float) -> bool:
        # A call that was answered at that moment may have been handled a time-out earlier.
        return self._heard_since is not None and self._heard_since + self._timeout <= since

    def _tell(self, id: str, outcome: Live | Ended) -> None:
        for listener in self._listeners:
            listener(id, outcome)

    def _tell_deaf(self, id: str, reason: str) -> None:
        """Tell this process itself, if it does not hear what Redis tells all."""
        if self._heard_since is None:
            self._tell(id, Ended(reason))

    async def _listen(self) -> None:
        """Hear what happens to sessions on every worker."""
        looked = False
        while True:
            listening = None
            try:
                async with asyncio.timeout(self._timeout):
                    # Any will do: the nodes of a cluster pass on what is published.
                    listening = secrets.choice(await self._trips.connections())
                    await listening.connect()
                    await listening.send_command(
                        "SUBSCRIBE", _bytes(self._told), _bytes(self._beats)
                    )
                    for _ in range(2):
                        await listening.read_response(disable_decoding=True, push_request=True)
                if not looked:
                    looked = await self._look_at_servers()
                self._heard_since = monotonic()
                self._hearing.answered()
                self._subscribed.set()
                await self._hear(listening)
                self._hearing.failed("it went silent; subscribing again")
            except Exception as error:  # whatever it was, it is tried again
                self._hearing.failed(repr(error))
            finally:
                self._heard_since = None
                if listening is not None:
                    with suppress(Exception):
                        await listening.disconnect(nowait=True)
            await asyncio.sleep(_TICK / 2)

    async def _hear(self, listening: Any) -> None:
        """Pass on messages, until the worker's own ones do not come back any more."""
        told = _bytes(self._told)
        heard = turn = monotonic()
        silent = False
        while (now := monotonic()) - heard < (_DEAF if silent else _BUSY):
            if now - turn > _TURN:
                # Thousands of messages may have come at once, and none of them is waited for.
                await asyncio.sleep(0)
                turn = monotonic()
            message = await listening.read_response(
                disable_decoding=True, timeout=_TICK, push_request=True
            )
            silent = message is None
            if message is None:
                continue
            _, channel, data = message
            if channel != told:
                heard = monotonic()
                continue
            kind, *parts = data.split(b"\n", 3)
            if kind == b"live" and len(parts) == 3:
                self._tell(_text(parts[0]), Live(_unpack(parts[2]), float(parts[1])))
            elif kind == b"ended" and len(parts) == 3:
                self._tell(_text(parts[0]), Ended(_text(parts[2]), float(parts[1])))
            # What else there is comes from a version that knows more.

    # What is due.

    async def _sweep(self) -> None:
        """Say something to oneself, and end what is due if it is this worker's turn."""
        more = False
        while True:
            try:
                # By way of any node: where one is down, the others are heard still.
                await _all([self._call("beat", [self._index(secrets.choice(_TAGS))], self._beats)])
                more = (more or await self._is_ours()) and await self._sweep_once()
                self._sweeping.answered()
            except Exception as error:  # whatever it was, it is tried again
                away = isinstance(error, StoreUnavailable | RedisError | OSError | TimeoutError)
                self._sweeping.failed(repr(error), None if away else error)
                more = False
            if not more:
                await asyncio.sleep(_TICK)

    async def _is_ours(self) -> bool:
        turn = f"{self._prefix}:turn".encode()
        try:
            return bool(await self._call("turn", (turn,), int(_TICK * 900)))
        except StoreUnavailable:
            # Nobody can have the turn, so everybody has: there may be nodes that work.
            return True

    async def _sweep_once(self) -> bool:
        """End what is due; whether there may be more."""
        found: list[tuple[bytes, list[bytes]]] = []

        async def look(indexes: list[bytes]) -> None:
            answers = await self._call("due", indexes)
            found.extend((index, due) for index, due in zip(indexes, answers, strict=True) if due)

        await _all(look(some) for some in self._trips.by_slot(self._index(tag) for tag in _TAGS))
        failed = await _all(
            # The keys of sessions, from that of their index: all but its end, and their own.
            self._call("sweep", [index, *(index[: -len(b":due")] + rest for rest in due)])
            for index, due in found
        )
        return not failed and any(len(due) == _MOST_DUE for _, due in found)


def _wrong_with(told: str) -> Iterator[str]:
    """What is wrong with a server, by what it tells of itself."""
    info = dict(re.findall(r"^(redis_version|maxmemory_policy):(.*?)\r?$", told, re.MULTILINE))
    version = info.get("redis_version", "7")
    if int(version.partition(".")[0]) < 7:
        yield f"this is Redis {version}; sessions need Redis 7.0 or later"
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield (
            "Redis throws sessions away when it is full, which signs users out: set "
            f"maxmemory-policy to noeviction (it is {policy})"
        )


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they are over.

    Once may not be enough: under Python 3.11 `asyncio.wait_for`, by which redis-py sends what has a
    time-out (as to a Sentinel, or to a node that has moved), can lose a cancellation.
    """
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        over, waiting = await asyncio.wait(waiting, timeout=_END_AGAIN)
        for task in over:
            if not task.cancelled():
                task.exception()  # seen: nobody else is told of it


async def _all(calls: Iterable[Awaitable[Any]]) -> list[Exception]:
    """Have all of these done, and not only until one fails; the failures of the store."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, StoreUnavailable):
            raise answer
    return [answer for answer in answers if isinstance(answer, StoreUnavailable)]


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


def _unpack(raw: bytes) -> Clocks:
    created, active, seen, own, paged = _PACKED.unpack_from(raw)
    anew = _BEGAN.unpack_from(raw, _PACKED.size)[0] if len(raw) > _PACKED.size else None
    return Clocks(created, active, seen, bool(paged), own or None, anew)


def _ended(reason: bytes | None, at: bytes | float | None, now: float) -> Ended | None:
    if reason is None or at is None:
        return None
    ago = now - float(at)
    return Ended(_text(reason), ago) if ago < REASON_KEPT else None


def _arguments(change: Change) -> Iterable[Any]:
    """A change, as `apply` takes it."""
    own = change.attributes.get("timeout", b"")
    yield 0 if own is None else own if own == b"" else repr(own)
    yield _CLEAR if change.clear else _ANEW if change.anew else _SAME
    fields = {_bytes(key): value for key, value in change.fields.items()}
    if "user_id" in change.attributes:
        user = change.attributes["user_id"]
        fields[_USER] = None if user is None else _bytes(user)
    yield sum(value is not None for value in fields.values())
    for key, value in fields.items():
        if value is not None:
            yield key
            yield value
    yield from (key for key, value in fields.items() if value is None)


# Clients.


def _maker(url: str) -> Callable[[float], Any]:
    """What makes a client for a URL, given how long to wait for a connection, in seconds.

    Raises:
        ConfigError: the URL is wrong. It can hold a password, and no part of it is repeated.
    """
    scheme, _, rest = url.partition("://")
    make = {"redis+cluster": _cluster, "redis+sentinel": _sentinel}.get(scheme, _server)
    why = _UNREADABLE
    if "#" not in rest:  # all behind it would go without a word
        try:
            return make(scheme, rest)
        except Exception as error:
            why = str(error) if isinstance(error, _WrongUrl) else _told(error, rest)
    raise ConfigError(f"QUART_IDLE_STORE is a {scheme}:// URL that is wrong: {why}")


class _WrongUrl(ValueError):
    """What is wrong with a URL, without any of it."""


def _told(error: Exception, rest: str) -> str:
    """What may be told of an error that others found in a URL.

    They repeat what they could not read. That can be a part of a password that holds characters
    which end it: what follows is then taken for a port, a path or an option.
    """
    options = rest.partition("?")[2]
    named = re.search(r"(?:keyword argument|Invalid value for) '(\w+)'", str(error))
    if named and "@" not in options and f"{named[1]}=" in options:
        return f"the option {named[1]} is not known, or its value is wrong"
    return _UNREADABLE


_UNREADABLE: Final = (
    "it cannot be read. It takes a host and a port (a number), and in user and password all but "
    "letters, digits and -._~ is percent-encoded: # is %23, / is %2F"
)


def _server(scheme: str, rest: str) -> Callable[[float], Any]:
    path = urlsplit("//" + rest).path
    if scheme == "unix" and not path:
        raise _WrongUrl("a path is missing")
    if scheme != "unix" and not re.fullmatch(r"/?[0-9]*", path):
        raise _WrongUrl("a database is a number")

    def make(timeout: float) -> aioredis.Redis:
        # A trip's time is limited, and more patiently than a client would.
        quick = _quick(timeout) | {"socket_connect_timeout": None}
        return aioredis.Redis.from_url(f"{scheme}://{rest}", **quick)

    # Which is where unknown options are noticed.
    make(1.0).connection_pool.make_connection()  # type: ignore[no-untyped-call]
    return make


def _cluster(scheme: str, rest: str) -> Callable[[float], Any]:  # noqa: ARG001
    hosts, path, options = _hosts(rest, 6379)
    if path:
        raise _WrongUrl("a cluster has no databases")

    def make(timeout: float) -> aioredis.RedisCluster:
        nodes = [ClusterNode(*host) for host in hosts]
        # Where it looks for the nodes by itself, it does not wait for a silent one.
        quick = _quick(timeout) | {"socket_timeout": timeout}
        return aioredis.RedisCluster(startup_nodes=nodes, **quick, **options)

    make(1.0)
    return make


def _sentinel(scheme: str, rest: str) -> Callable[[float], Any]:  # noqa: ARG001
    hosts, path, options = _hosts(rest, 26379)
    service, _, database = path.partition("/")
    if not service:
        raise _WrongUrl("a service is missing")
    if database:
        options["db"] = int(database)
    theirs = {
        name.removeprefix("sentinel_"): options.pop(name)
        for name in tuple(options)
        if name.startswith("sentinel_")
    }

    def make(timeout: float) -> Any:
        # A Sentinel that is silent leaves time for another, and for the server.
        some = dict.fromkeys(
            ("socket_timeout", "socket_connect_timeout"), timeout / (len(hosts) + 1)
        )
        quick = _quick(timeout)
        sentinel = Sentinel(hosts, sentinel_kwargs=quick | some | theirs, **quick, **options)  # type: ignore[no-untyped-call]
        return sentinel.master_for(service, redis_class=_Master)

    make(1.0).connection_pool.make_connection()
    return make


class _Master(aioredis.Redis):
    """Closes the clients of its Sentinels too, which nobody else has."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _hosts(rest: str, port: int) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """The hosts of a URL that has many, its path and its options."""
    # Hosts one at a time: of several, some releases of `urlsplit` let only the first have brackets.
    network = re.split("[/?#]", rest, maxsplit=1)[0]
    user, _, hosts = network.rpartition("@")
    found = [urlsplit("//" + host) for host in hosts.split(",")]
    if not all(host.hostname for host in found):
        raise _WrongUrl("a host is missing")
    parts = urlsplit("//host" + rest.removeprefix(network))
    options: dict[str, Any] = dict(parse_url("redis://?" + parts.query))
    if "ssl" in options:
        options["ssl"] = options["ssl"].lower() in ("1", "true", "yes")
    for name, value in zip(("username", "password"), user.split(":", 1), strict=False):
        if value:
            options[name] = unquote(value)
    places = [(host.hostname or "", host.port or port) for host in found]
    return places, parts.path.strip("/"), options


def _quick(timeout: float) -> dict[str, Any]:
    """Fail when it is time to, and not minutes later: a trip has a time-out of its own."""
    return {
        "socket_connect_timeout": timeout,
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
    }
