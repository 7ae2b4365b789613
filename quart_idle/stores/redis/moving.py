"""Sessions, drafts and untold ends of Redis, read out and taken in without an application.

A thing is looked at, what becomes of it is reckoned here, and a script writes that if the thing is
still as it was then; if not, it is looked at again. All keys of a thing have one hash tag, but for
its user's list: an id joins that before there is a session, and leaves it afterwards.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, TypeVar

from redis import asyncio as aioredis
from redis.exceptions import RedisError

from ...exceptions import StoreUnavailable
from ..base import Record, UntoldEnd
from ..changing import Over
from ..moving import (
    IDENTITY_SIZE,
    MARK_KEPT,
    PAGE,
    Draft,
    EndName,
    Found,
    Mark,
    Name,
    Outcome,
    SessionName,
    Taken,
    Thing,
    Unreadable,
    if_readable,
    taken_in,
)
from .cluster import Cluster
from .connection import Connection
from .keys import HASH_TAGS, Keys
from .layout import (
    Seen,
    Spot,
    as_hash,
    fields_of,
    name_of,
    seen,
    spot_of,
    things_of,
    thrown_away,
)
from .packing import pack_untold, to_bytes
from .scripts import UNTOLD_KEPT, Script
from .trips import Server
from .urls import client_maker

# How many hash tags' marks are looked at at once.
_TAGS: Final = 32

# How often a thing is looked at that somebody changes at the moment.
_LOOKS: Final = 10

_SHARED, *_PARTS = re.split(
    r"^--- (\w+)(.*)\n", Path(__file__).with_name("moving.lua").read_text(), flags=re.MULTILINE
)
_SCRIPTS: Final = {
    name: Script(f"#!lua{flags}\n{_SHARED}{text}")
    for name, flags, text in zip(_PARTS[::3], _PARTS[1::3], _PARTS[2::3], strict=True)
}

_T = TypeVar("_T")


class RedisMovable:
    """A `Movable` in Redis.

    Args:
        url: the server's, the cluster's or the Sentinels', as `RedisStore` has it.
        prefix: the namespace there.
        timeout: how long one trip may take, in seconds.

    Raises:
        ConfigError: the URL is wrong.
    """

    def __init__(self, url: str, prefix: str, timeout: float) -> None:
        self._make = client_maker(url)
        self._prefix = prefix
        self._keys = Keys(prefix, "")
        self._timeout = timeout

    async def open(self) -> None:
        self._client = self._make(self._timeout)
        self._trips: Server | Cluster
        if isinstance(self._client, aioredis.RedisCluster):
            self._trips = Cluster(self._client, self._timeout)
        else:
            self._trips = Server(self._client, self._timeout)
        await self._trips.load(self._keys.applications)

    async def close(self) -> None:
        await self._trips.close()
        await self._client.aclose()

    async def identity(self) -> bytes:
        # Of a cluster, any node can lose what it had.
        tags = HASH_TAGS if isinstance(self._trips, Cluster) else HASH_TAGS[:1]
        parts = await _all(map(self._identify, tags))
        return blake2b(b"".join(parts), digest_size=IDENTITY_SIZE).digest()

    async def _identify(self, tag: str) -> bytes:
        new = secrets.token_bytes(IDENTITY_SIZE)
        answer = await self._call("identify", [self._keys.identity(tag)], new, repr(MARK_KEPT))
        return bytes(answer)

    async def sources(self) -> Collection[bytes]:
        found: set[bytes] = set()
        async for _, marks in self._marks():
            found |= {Mark.unpack(raw).store for raw in marks.values()}
        return found

    async def forget_source(self, store: bytes) -> None:
        async for tag, marks in self._marks():
            names = [name for name, raw in marks.items() if Mark.unpack(raw).store == store]
            for start in range(0, len(names), PAGE):
                some = names[start : start + PAGE]
                await self._call("forget_source", [self._keys.moved(tag)], store, *some)

    # Reading out.

    async def pages(self) -> AsyncIterator[Mapping[Name, Found]]:
        async for keys in self._scan():
            page: dict[Name, Found] = {}
            for key, (found, now) in zip(keys, await _all(map(self._load, keys)), strict=True):
                for name, thing in things_of(key, found, self._keys, now):
                    page[name] = Found(thing, now)
            yield page

    async def _scan(self) -> AsyncIterator[list[bytes]]:
        """Keys of hashes that may have something, in pages."""
        start = re.sub(r"([\\*?\[\]])", r"\\\1", self._prefix)
        command = "MATCH", to_bytes(start + ":{*"), "COUNT", PAGE, "TYPE", "hash"
        for raw in await self._trips.connections(anew=True):  # a replica has keys, too
            connection = Connection(lambda raw=raw: raw)  # type: ignore[misc]
            cursor: Any = 0
            try:
                while True:
                    cursor, keys = await self._ask(connection, ("SCAN", cursor, *command))
                    if keys:
                        yield keys
                    if int(cursor) == 0:
                        break
            finally:
                await connection.drop()

    async def _ask(self, connection: Connection, command: Sequence[Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout):
                (answer,) = await connection.trip([command])
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable from error
        if isinstance(answer, Exception):
            raise StoreUnavailable from answer
        return answer

    async def _load(self, key: bytes) -> tuple[dict[bytes, bytes], float]:
        found, now = await self._trips.load(key)
        return as_hash(found), now

    async def read(self, names: Collection[Name]) -> Mapping[Name, Found]:
        looks = await _all(map(self._look, names))
        return {name: found for name, (found, _, _) in zip(names, looks, strict=True)}

    # Taking in.

    async def taken(self) -> AsyncIterator[Collection[Name]]:
        async for tag, marks in self._marks():
            read = [if_readable(partial(name_of, tag, mark)) for mark in marks]
            names = [name for name in read if not isinstance(name, Unreadable)]
            for start in range(0, len(names), PAGE):
                yield names[start : start + PAGE]

    async def _marks(self) -> AsyncIterator[tuple[str, dict[bytes, bytes]]]:
        """The marks of each hash tag, by what they are called there."""
        for at in range(0, len(HASH_TAGS), _TAGS):
            tags = HASH_TAGS[at : at + _TAGS]
            found = await _all(self._load(self._keys.moved(tag)) for tag in tags)
            for tag, (marks, _) in zip(tags, found, strict=True):
                yield tag, marks

    async def take_in(self, store: bytes, page: Mapping[Name, Found]) -> Taken:
        names = list(page)
        came_to = await _all(self._take_in(name, store, page[name]) for name in names)
        return Taken(
            [name for name, done in zip(names, came_to, strict=True) if done],
            [name for name, done in zip(names, came_to, strict=True) if done is None],
        )

    async def _take_in(self, name: Name, store: bytes, there: Found) -> bool | None:
        """Whether it came to something; None: what is here cannot be read."""
        for _ in range(_LOOKS):
            here, mark, where = await self._look(name)
            if isinstance(here.thing, Unreadable):
                return None
            outcome = taken_in(here, mark, store, there)
            if outcome is None or _is_older(outcome.thing, where):
                return False
            if await self._write(name, here.thing, here.now, where, outcome):
                return True
        raise StoreUnavailable from TimeoutError("something is changed all the time")

    async def _look(self, name: Name) -> tuple[Found, Mark | None, Seen]:
        """A thing as it is here, its mark, and where it stands."""
        spot = spot_of(name, self._keys)
        keys = spot.marks, *spot.hashes
        time, mark, *answer = await self._call("look", keys, spot.mark, spot.field)
        now = float(time)
        where = seen(name, spot, answer, now)
        return Found(where.thing, now), Mark.unpack(mark) if mark else None, where

    async def _write(
        self, name: Name, here: Thing | None, now: float, where: Seen, outcome: Outcome
    ) -> bool:
        """Have a thing be what it becomes; False: it has changed."""
        spot = spot_of(name, self._keys)
        mark = b"" if outcome.mark is None else outcome.mark.pack()
        marking = spot.mark, mark, repr(MARK_KEPT), where.print
        thing = outcome.thing
        if isinstance(name, EndName):
            raw = pack_untold(thing) if isinstance(thing, UntoldEnd) else b""
            keys = spot.marks, *self._keys.outbox(name.id)
            return bool(
                await self._call("put_end", keys, *marking, repr(UNTOLD_KEPT), spot.field, raw)
            )
        if isinstance(thing, UntoldEnd):
            raise TypeError(f"{name} is an end")
        return await self._put(name, spot, here, now, where, thing, marking)

    async def _put(
        self,
        name: Name,
        spot: Spot,
        here: Thing | None,
        now: float,
        where: Seen,
        thing: Record | Over | Draft | None,
        marking: Sequence[Any],
    ) -> bool:
        keys = [spot.marks, where.key]
        told: tuple[Any, ...] = "", ""
        if isinstance(name, SessionName):
            keys.append(self._keys.index(name.id))
            if isinstance(thing, Over) and here is not None:
                ended = "ended", name.id, repr(now - thing.at), thing.reason
                told = self._keys.telling, to_bytes("\n".join(ended))
        lives = isinstance(thing, Record)
        user = thing.user_id if isinstance(thing, Record) else None
        former = here.user_id if isinstance(here, Record) else None
        if isinstance(name, SessionName) and user is not None:
            list_key = self._keys.user_list(user)[:1]
            await self._call("enlist", list_key, to_bytes(name.id), repr(MARK_KEPT))
        gone = repr(thrown_away(thing, now))
        fields = fields_of(name, thing)
        if not await self._call("put", keys, *marking, gone, int(lives), *told, *fields):
            return False
        if isinstance(name, SessionName) and former not in (None, user):
            await self._call("leave", self._keys.user_list(former or "")[:1], to_bytes(name.id))
        return True

    async def _call(self, name: str, keys: Sequence[bytes], *arguments: Any) -> Any:
        return await self._trips.call(_SCRIPTS[name], keys, *arguments)


def _is_older(thing: Thing | None, where: Seen) -> bool:
    """Whether it is a draft that would push out one that was kept later."""
    return isinstance(thing, Draft) and thing.at < where.displaced


async def _all(calls: Iterable[Awaitable[_T]]) -> list[_T]:
    """What all of these answer; all are done, and not only until one fails."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers  # type: ignore[return-value]
