"""What a worker heard of others is not lost where the answer comes late, or another read fails."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quart_idle import StoreUnavailable
from quart_idle.stores.sqlite import SQLiteStore
from quart_idle.stores.sqlite.reading import Load, Read
from quart_idle.stores.sqlite.thread import Thread
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.waiting import until
from tests.store_contract import LIMITS, Told, change


async def test_a_worker_that_has_nothing_to_do_goes_to_its_file_twice_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = 0
    put = Thread.put

    def count(thread: Thread, job: Callable[[], None]) -> None:
        nonlocal trips
        trips += 1
        put(thread, job)

    monkeypatch.setattr(Thread, "put", count)
    store = PatientStore(tmp_path / "sessions.db")
    store.bind(LIMITS, lambda *_: None)
    await store.open()
    await until(lambda: not store._running or not store._running.writer.is_unsynced)
    trips, began = 0, time.monotonic()
    await asyncio.sleep(4.0)
    assert 2 <= trips <= 2 * (time.monotonic() - began) + 1
    await store.close()


def be_late(*_: Any) -> None:
    time.sleep(4)


def find_the_disk_failing(*_: Any) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def find_the_file_damaged(*_: Any) -> None:
    raise sqlite3.DatabaseError("malformed")


@pytest.mark.parametrize("beside", [be_late, find_the_disk_failing, find_the_file_damaged])
async def test_what_was_heard_in_a_read_that_failed_is_heard_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: Callable[..., None]
) -> None:
    told: Told = []
    here, other = SQLiteStore(tmp_path / "sessions.db"), PatientStore(tmp_path / "sessions.db")
    here.bind(LIMITS, lambda *what: told.append(what), timeout=3.0)
    other.bind(LIMITS, lambda *_: None)
    await here.open()
    await other.create("a1", change({"a": b"1"}))
    running = here._running
    assert running is not None
    ask = running.reads.ask
    spoiling: list[asyncio.Task[Any]] = []

    async def ask_beside(read: Load | Read) -> Any:
        if isinstance(read, Read) and read.work == running.hearing.listen and not spoiling:
            await other.end("a1", "signed out")
            spoiling.append(asyncio.create_task(ask(Read(beside))))
        return await ask(read)

    monkeypatch.setattr(running.reads, "ask", ask_beside)
    await until(lambda: [(id, outcome[0]) for id, outcome in told] == [("a1", "signed out")])
    await asyncio.wait(spoiling)
    assert isinstance(spoiling[0].exception(), StoreUnavailable)
    await here.close()
    await other.close()


async def test_what_two_have_asked_for_at_once_is_told_once(tmp_path: Path) -> None:
    told: Told = []
    here, other = PatientStore(tmp_path / "sessions.db"), PatientStore(tmp_path / "sessions.db")
    here.bind(LIMITS, lambda *what: told.append(what))
    other.bind(LIMITS, lambda *_: None)
    await here.open()
    running = here._running
    assert running is not None
    await other.create("a1", change({"a": b"1"}))
    await other.end("a1", "signed out")
    await asyncio.gather(*(running._hear() for _ in range(3)))
    assert [(id, outcome[0]) for id, outcome in told] == [("a1", "signed out")]
    await here.close()
    await other.close()
