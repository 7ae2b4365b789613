"""What must outlast a power cut before it is answered, and what is said where the disk fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quart_idle import StoreUnavailable
from quart_idle.stores.base import Ended, SessionLimit
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.waiting import until
from tests.store_contract import LIMITS, Told, change


class Disk:
    """The disk beneath a store: it counts, and may fail."""

    def __init__(self, store: SQLiteStore) -> None:
        self._sync = store._file.sync
        self.synced = 0
        self.fails = False

    def sync(self) -> None:
        if self.fails:
            raise OSError(5, "Input/output error")
        self._sync()
        self.synced += 1


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
async def store(tmp_path: Path, told: Told) -> AsyncIterator[SQLiteStore]:
    store = PatientStore(tmp_path / "sessions.db")
    store.bind(LIMITS, lambda *what: told.append(what))
    yield store
    await store.close()


@pytest.fixture
async def disk(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """The disk beneath three sessions, `ada`'s."""
    await asyncio.gather(
        *(store.create(id, change({"a": b"1"}, user_id="ada")) for id in ("a1", "a2", "a3"))
    )
    assert store._running is not None
    await until(lambda: not store._running or not store._running.writer.is_unsynced)
    disk = Disk(store)
    monkeypatch.setattr(store._file, "sync", disk.sync)
    return disk


async def test_ends_that_the_disk_may_not_have_are_done_once_told_and_not_answered(
    store: SQLiteStore, disk: Disk, told: Told
) -> None:
    disk.fails = True
    answers = await asyncio.gather(
        *(store.end(id, "signed out") for id in ("a1", "a2")),
        store.save("a3", change({"b": b"2"})),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers[:2]] == [StoreUnavailable] * 2
    assert not isinstance(answers[2], BaseException)
    await until(lambda: len(told) == 2)
    assert isinstance(await store.load("a1"), Ended)
    assert store._running is not None
    assert store._running.writer.is_unsynced
    disk.fails = False
    await until(lambda: disk.synced)


async def end(store: SQLiteStore) -> None:
    assert await store.end("a1", "signed out")


async def end_all(store: SQLiteStore) -> None:
    assert (await store.end_some("ada", "signed out")).ids


async def empty(store: SQLiteStore) -> None:
    changed = await store.save("a1", change({"a": None}, user_id=None))
    assert changed is not None
    assert changed.ended


async def begin_one_too_many(store: SQLiteStore) -> None:
    full = change({"a": b"1"}, user_id="ada")._replace(limit=SessionLimit(1))
    await store.create("a4", full)
    assert isinstance(await store.load("a1"), Ended)


@pytest.mark.parametrize("ends", [end, end_all, empty, begin_one_too_many])
async def test_whatever_ends_a_session_is_on_the_disk_when_it_is_answered(
    store: SQLiteStore, disk: Disk, ends: Any
) -> None:
    disk.fails = True
    with pytest.raises(StoreUnavailable):
        await ends(store)
