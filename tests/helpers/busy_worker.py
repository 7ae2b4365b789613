"""A worker that changes sessions in an SQLite file and notes what it is answered, until its end.

``python -m tests.helpers.busy_worker URL NOTES``: it appends to the notes what it asks for before
it does, and then that it was answered. `check` compares a file with what was noted.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from quart_idle.policy import Limits, SignOfLife
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import Change, Ended, Record
from quart_idle.stores.sqlite import SQLiteStore

#: How many sessions a worker is busy with at a time.
LANES: Final = 12

_LIMITS: Final = Limits(timeout=86_400.0)


def opened(where: Path | str) -> SQLiteStore:
    """A store on a file."""
    store = SQLiteStore(where)
    store.bind(_LIMITS, lambda *_: None, timeout=30.0)
    store.keep_ends(lambda: True)
    return store


class Noted(NamedTuple):
    """What a lane asks for."""

    what: str
    user: str
    id: str
    new_id: str
    value: int
    answered: bool = False


class _Lane:
    def __init__(self, store: SQLiteStore, notes: int) -> None:
        self._store = store
        self._notes = notes
        self._user = secrets.token_hex(4)

    async def go_on(self) -> None:
        while True:
            id = secrets.token_hex(32)
            await self._do(Noted("create", self._user, id, "", 0))
            for value in range(1, secrets.randbelow(12) + 2):
                new_id = id[:2] + secrets.token_hex(31)
                what = secrets.choice(["save", "save", "save", "renew", "regenerate"])
                await self._do(Noted(what, self._user, id, new_id, value))
                id = new_id if what == "regenerate" else id
            await self._do(Noted("end", self._user, id, "", 0))

    async def _do(self, noted: Noted) -> None:
        what, user, id, new_id, value, _ = noted
        self._note(noted)
        change = Change({"value": b"%d" % value, f"value{value % 2}": b"%d" % value}, {})
        if what == "create":
            await self._store.create(id, change._replace(attributes={"user_id": user}))
        elif what == "save":
            assert await self._store.save(id, change)
        elif what == "renew":
            assert isinstance((await self._store.renew({id: SignOfLife(0.0, None)}))[id], tuple)
        elif what == "regenerate":
            assert await self._store.regenerate(id, new_id, change)
        else:
            assert await self._store.end(id, "signed out") == id
        self._note(noted._replace(answered=True))

    def _note(self, noted: Noted) -> None:
        os.write(self._notes, json.dumps(noted).encode() + b"\n")


async def _work(url: str, notes: int) -> None:
    store = opened(url)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(LANES):
            tasks.create_task(_Lane(store, notes).go_on())


def read(notes: Path) -> Iterator[Noted]:
    """What was noted. The last line may be cut."""
    for line in notes.read_text().splitlines(keepends=True) if notes.exists() else ():
        if line.endswith("\n"):
            yield Noted(*json.loads(line))


class State(NamedTuple):
    """How a session of a lane may be found: its id, and what it holds."""

    id: str
    value: int


class _Seen:
    """What a lane's notes say of its sessions."""

    def __init__(self) -> None:
        self.over: dict[str, str] = {}
        #: The states that there were since the last one that outlasts a power cut.
        self.states: list[State | None] = [None]
        #: What it may be besides: what was asked for, and not answered.
        self.asked: State | str | None = ""

    def take(self, noted: Noted) -> None:
        what, _, id, new_id, value, answered = noted
        after: State | None = State(new_id if what == "regenerate" else id, value)
        if what == "end":
            after = None
        if what == "renew":
            return
        if not answered:
            self.asked = after
            return
        self.asked = ""
        if what in ("create", "save"):
            self.states.append(after)
            return
        self.states = [after]
        self.over[id] = REGENERATED if what == "regenerate" else "signed out"


async def check(
    path: Path, notes: list[Path], told: set[str], *, lost: bool = False
) -> dict[str, int]:
    """See that a file holds what its workers were answered; of what is over, some and the latest.

    Args:
        path: the file.
        notes: what its workers noted.
        told: the ends that it told of before; those that it tells of now are added.
        lost: whether what was answered last may be missing, but for ends and changes of token.

    Returns:
        How many sessions there are of each kind, and how many writes are missing.
    """
    lanes: dict[str, _Seen] = {}
    for each in notes:
        for noted in read(each):
            lanes.setdefault(noted.user, _Seen()).take(noted)
    found = {"living": 0, "over": 0, "missing": 0}
    store = opened(path)
    try:
        while ends := (await store.take_ends(1000)).ends:
            told |= {end.id for end in ends}
            await store.ends_told([end.id for end in ends])
        for user, lane in lanes.items():
            over = list(lane.over.items())
            for id, reason in [*random.sample(over, min(10, len(over))), *over[-10:]]:
                ended = await store.load(id)
                assert isinstance(ended, Ended), (id, ended)
                assert ended.reason == reason
                assert (id in told) == (reason != REGENERATED)
            found["over"] += len(lane.over)
            living = {listed.id for listed in await store.sessions_of(user, 0, 100)}
            state = await _state(store, living)
            allowed = lane.states if lost else lane.states[-1:]
            assert state in [*allowed, lane.asked], (state, allowed, lane.asked)
            found["living"] += len(living)
            if state != lane.asked:
                found["missing"] += lane.states[::-1].index(state)
        return found
    finally:
        await store.close()


async def _state(store: SQLiteStore, living: set[str]) -> State | None:
    if not living:
        return None
    (id,) = living
    record: Any = await store.load(id)
    assert isinstance(record, Record)
    value = record.data["value"]
    assert record.data[f"value{int(value) % 2}"] == value, "half of a save"
    return State(id, int(value))


if __name__ == "__main__":
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    asyncio.run(_work(sys.argv[1], os.open(sys.argv[2], flags)))
