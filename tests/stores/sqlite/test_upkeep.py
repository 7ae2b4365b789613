"""What the file needs beside reads and writes holds up nobody who reads, writes or stops."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from quart_idle.stores.base import Change
from quart_idle.stores.sqlite import SQLiteStore, upkeep
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.waiting import until
from tests.store_contract import LIMITS, PAGE, change, record

NOTHING = Change({}, {})


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    store = PatientStore(tmp_path / "sessions.db")
    store.bind(LIMITS, lambda *_: None)
    await store.open()
    yield store
    await store.close()


async def fill(store: SQLiteStore, many: int) -> None:
    await asyncio.gather(
        *(store.create(f"a{number}", change({"a": b"1"})) for number in range(many))
    )


async def test_what_was_written_goes_back_into_the_file_beside_later_writes(
    store: SQLiteStore, tmp_path: Path
) -> None:
    file = tmp_path / "sessions.db"
    before = file.stat().st_size
    await fill(store, 1500)  # far less than what SQLite waits for in the middle of a write
    await until(lambda: file.stat().st_size > before + 1500 * 64)


@pytest.fixture
async def slow_disk(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Event]:
    """Set where somebody waits for the disk; it answers when the test is over."""
    waiting, free = Event(), Event()

    def sync() -> None:
        waiting.set()
        free.wait()

    monkeypatch.setattr(store._file, "sync", sync)
    yield waiting
    free.set()


async def test_while_the_disk_takes_its_time_others_read_and_write(
    store: SQLiteStore, slow_disk: Event
) -> None:
    await store.create("a1", change({"a": b"1"}))
    await until(slow_disk.is_set)
    async with asyncio.timeout(20):
        await store.save("a1", change({"a": b"2"}))
        assert await store.load("a1")


async def test_a_disk_that_never_answers_holds_up_no_close_and_the_log_says_so(
    store: SQLiteStore,
    slow_disk: Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("quart_idle.stores.sqlite.upkeep._PATIENCE", 0.1)
    await store.create("a1", change({"a": b"1"}))
    await until(slow_disk.is_set)
    await until(lambda: "the disk has not answered" in caplog.text)
    began = time.monotonic()
    await store.close()
    assert time.monotonic() - began < 10


async def test_a_worker_that_closes_leaves_nothing_that_a_power_cut_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, other = PatientStore(tmp_path / "sessions.db"), PatientStore(tmp_path / "sessions.db")
    for store in here, other:
        store.bind(LIMITS, lambda *_: None)
        await store.open()
    synced: list[bool] = []
    sync = here._file.sync
    monkeypatch.setattr(here._file, "sync", lambda: synced.append(True) or sync())  # type: ignore[func-returns-value]
    await here.create("a1", change({"a": b"1"}))
    running = here._running
    assert running is not None
    synced.clear()
    running.writer.is_unsynced = True  # whether it was synced meanwhile or not
    await here.close()
    assert synced
    await other.close()


async def test_what_is_synced_by_itself_is_written_back_too(
    store: SQLiteStore, tmp_path: Path
) -> None:
    file = tmp_path / "sessions.db"
    await fill(store, 100)
    for turn in range(3):  # each change of a token is on the disk before it is answered
        await asyncio.gather(
            *(
                store.regenerate(f"a{'x' * turn}{number}", f"a{'x' * (turn + 1)}{number}", NOTHING)
                for number in range(100)
            )
        )
    running = store._running
    assert running is not None
    running.writer.is_unsynced = False
    await until(lambda: file.stat().st_size > 300 * 64)


async def test_that_a_disk_is_full_is_told_in_words_until_it_is_not(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = True
    write_back = upkeep._write_back

    def try_to(connection: sqlite3.Connection) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        write_back(connection)

    monkeypatch.setattr(upkeep, "_write_back", try_to)
    await fill(store, 500)
    await until(lambda: "keeping what was written" in caplog.text)
    await asyncio.sleep(2.5)
    assert "FileFailed" in caplog.text
    assert "available again" not in caplog.text
    assert not any(record.exc_info for record in caplog.records)
    full = False
    await until(lambda: "available again" in caplog.text)


async def test_a_transaction_takes_few_statements_for_however_many(store: SQLiteStore) -> None:
    await fill(store, 500)
    running = store._running
    assert running is not None
    statements: list[str] = []
    running.writer.opening.connection().set_trace_callback(statements.append)
    for kind in "save", "renew":
        statements.clear()
        if kind == "save":
            await asyncio.gather(
                *(store.save(f"a{number}", change({"a": b"%d" % number})) for number in range(500))
            )
        else:
            await store.renew({f"a{number}": PAGE for number in range(500)})
        assert 1 <= sum("UPDATE sessions" in statement for statement in statements) <= 4
        assert len(statements) <= 20
    for number in range(500):
        assert (await record(store, f"a{number}")).data == {"a": b"%d" % number}


async def test_now_and_then_the_log_is_cut(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[sqlite3.Connection] = []
    monkeypatch.setattr(store._file, "shorten_log", cut.append)
    monkeypatch.setattr(upkeep, "_TIDY", 0.1)
    await until(lambda: cut)


@pytest.mark.usefixtures("store")
async def test_that_the_file_was_deleted_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(upkeep, "_TIDY", 0.1)
    (tmp_path / "sessions.db").rename(tmp_path / "former.db")
    await until(lambda: "was deleted or replaced" in caplog.text)
