"""What the file needs beside reads and writes holds up nobody who reads, writes or stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.waiting import until
from tests.store_contract import LIMITS, PAGE, change, record


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


async def test_a_disk_that_never_answers_holds_up_no_exit(
    store: SQLiteStore, slow_disk: Event
) -> None:
    await store.create("a1", change({"a": b"1"}))
    await until(slow_disk.is_set)
    began = time.monotonic()
    await store.close()
    assert time.monotonic() - began < 10


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
                *(store.save(f"a{number}", change({"a": b"2"})) for number in range(500))
            )
        else:
            await store.renew({f"a{number}": PAGE for number in range(500)})
        assert 1 <= sum("UPDATE sessions" in statement for statement in statements) <= 4
        assert len(statements) <= 20
    assert (await record(store, "a499")).data == {"a": b"2"}
