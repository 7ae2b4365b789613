"""Moving sessions from one file to another."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from quart_idle.stores.moving import Movable
from quart_idle.stores.sqlite import SQLiteMovable, SQLiteStore
from tests.contract.common import change, reason, record
from tests.contract.moving import DAYS, MovableContract
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.standing_clock import StandingClock


class TestFiles(MovableContract):
    @pytest.fixture
    def time(self) -> StandingClock:
        return StandingClock()

    @pytest.fixture
    async def old_store(self, time: StandingClock, tmp_path: Path) -> AsyncIterator[SQLiteStore]:
        store = PatientStore(tmp_path / "old.db", clock=time)
        store.bind(DAYS, lambda *_: None)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def new_store(self, time: StandingClock, tmp_path: Path) -> AsyncIterator[SQLiteStore]:
        store = PatientStore(tmp_path / "new.db", clock=time)
        store.bind(DAYS, lambda *_: None)
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def another(
        self, time: StandingClock, tmp_path: Path
    ) -> AsyncIterator[tuple[SQLiteStore, Movable]]:
        store = PatientStore(tmp_path / "another.db", clock=time)
        store.bind(DAYS, lambda *_: None)
        await store.open()
        movable = SQLiteMovable(tmp_path / "another.db", "quart-idle", 20.0, clock=time)
        await movable.open()
        yield store, movable
        await movable.close()
        await store.close()

    @pytest.fixture
    def spoil(self, tmp_path: Path) -> Callable[[str, str], None]:
        def begin(which: str, id: str) -> None:
            with closing(sqlite3.connect(tmp_path / f"{which}.db")) as connection:
                connection.execute("UPDATE sessions SET clocks = x'00' WHERE id = ?", (id,))
                connection.commit()

        return begin

    @pytest.fixture
    async def read_out(self, time: StandingClock, tmp_path: Path) -> AsyncIterator[Movable]:
        movable = SQLiteMovable(tmp_path / "old.db", "quart-idle", 20.0, clock=time)
        await movable.open()
        yield movable
        await movable.close()

    @pytest.fixture
    async def take_in(self, time: StandingClock, tmp_path: Path) -> AsyncIterator[Movable]:
        movable = SQLiteMovable(tmp_path / "new.db", "quart-idle", 20.0, clock=time)
        await movable.open()
        yield movable
        await movable.close()

    async def test_a_damaged_mark_keeps_nothing_from_being_moved(self, tmp_path: Path) -> None:
        for id in ("ab1", "ab2"):
            await self.old.create(id, change({"a": b"1"}))
        await self.move()
        with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
            damage = "UPDATE moved SET name = CAST(x'ff' || name AS BLOB) WHERE name = ?"
            assert connection.execute(damage, (b"session:ab1",)).rowcount == 1
            connection.commit()
        await self.old.end("ab2", "enough")
        await self.old.create("ab3", change({"a": b"1"}))
        await self.move()
        assert await reason(self.new, "ab2") == "enough"
        await record(self.new, "ab3")
