"""Ending what is due, however many ends are still to be told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from quart_idle.policy import Clocks
from quart_idle.stores.base import MOST_ENDS
from quart_idle.stores.sqlite.packing import pack_clocks
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.standing_clock import StandingClock
from tests.helpers.waiting import until
from tests.store_contract import LIMITS, Told, change


def keep(path: Path, keys: Iterable[int]) -> None:
    """Have the file hold ends that are hidden for long."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO ends (key, space, id, take_at, tries, reason, ended_at, clocks) "
            "SELECT ?, max(space), ?, 9e12, 3, x'61', 1, ? FROM spaces",
            ((key, f"old{key}", pack_clocks(Clocks(1.0, 1.0, 1.0))) for key in keys),
        )


@pytest.mark.parametrize(
    ("keys", "keeps_ends"),
    [((1, MOST_ENDS - 100), True), (range(1, MOST_ENDS + 1), False)],
    ids=["few that are far apart", "too many that nobody wants"],
)
async def test_a_session_that_is_due_ends_beside_ends_that_are_hidden(
    tmp_path: Path, keys: Iterable[int], keeps_ends: bool
) -> None:
    told: Told = []
    clock = StandingClock()
    store = PatientStore(tmp_path / "sessions.db", clock=clock)
    store.bind(LIMITS, lambda *what: told.append(what))
    store.keep_ends(lambda: keeps_ends)
    await store.create("a1", change({"a": b"1"}))
    keep(tmp_path / "sessions.db", keys)
    await clock.advance(3600)
    await until(lambda: told)
    assert [id for id, _ in told] == ["a1"]
    await store.close()
