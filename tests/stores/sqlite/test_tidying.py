"""The file does not grow for ever: what is empty is used again, or given back in small bites."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from quart_idle.stores.sqlite.file import MOST_LOGGED, File
from quart_idle.stores.sqlite.tidying import shorten_log, tidy

TABLES = "CREATE TABLE things (number INTEGER PRIMARY KEY, data BLOB);"


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "sessions.db", [TABLES])


@pytest.fixture
def connection(file: File) -> Iterator[sqlite3.Connection]:
    with closing(file.connect(10.0)) as connection:
        yield connection


def fill(connection: sqlite3.Connection, many: int) -> None:
    connection.execute("BEGIN")
    with connection:
        connection.executemany(
            "INSERT INTO things (data) VALUES (?)", ((bytes(1000),) for _ in range(many))
        )


def pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_count").fetchone()[0])


def logged(file: File) -> int:
    return file.path.with_name("sessions.db-wal").stat().st_size


def test_what_is_empty_is_given_back_in_small_bites(
    file: File, connection: sqlite3.Connection
) -> None:
    fill(connection, 20_000)
    full = pages(connection)
    connection.execute("DELETE FROM things")
    bites, there_is_more = 0, True
    while there_is_more:
        before = pages(connection)
        there_is_more = tidy(connection)
        assert before - pages(connection) <= 65
        bites += 1
    assert 10 <= bites <= full / 64 + 2
    assert pages(connection) < 1200
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")  # as a later write does
    assert file.path.stat().st_size < 1200 * 4096


def test_what_is_to_be_used_again_soon_is_kept(connection: sqlite3.Connection) -> None:
    fill(connection, 20_000)
    full = pages(connection)
    connection.execute("DELETE FROM things WHERE number % 6 = 0")  # in pages that are not empty
    connection.execute("DELETE FROM things WHERE number > 17500")
    assert not tidy(connection)
    assert pages(connection) == full


def test_it_does_not_grow_with_what_comes_and_goes(
    file: File, connection: sqlite3.Connection
) -> None:
    sizes = []
    for _ in range(12):
        fill(connection, 5_000)
        connection.execute("DELETE FROM things")
        while tidy(connection):
            pass
        shorten_log(connection, file.path)
        sizes.append(file.path.stat().st_size + logged(file))
    assert max(sizes[3:]) <= max(sizes[:3])


def test_the_log_of_writes_is_cut_though_reads_kept_it_long(
    file: File, connection: sqlite3.Connection
) -> None:
    with closing(file.connect(0.0, reads=True)) as reader:
        fill(connection, 1)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM things").fetchone()
        for _ in range(5):
            fill(connection, 5_000)
        shorten_log(connection, file.path)
        assert logged(file) > 2 * MOST_LOGGED  # what is read must stay
        reader.rollback()
    shorten_log(connection, file.path)
    assert logged(file) <= MOST_LOGGED


def test_a_read_that_goes_on_holds_up_no_cut_for_longer_than_a_lock(file: File) -> None:
    with closing(file.connect(0.2)) as connection, closing(file.connect(0.0)) as reader:
        fill(connection, 1)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM things").fetchone()
        fill(connection, 20_000)
        shorten_log(connection, file.path)
        assert reader.execute("SELECT count(*) FROM things").fetchone() == (1,)
        fill(connection, 1)
