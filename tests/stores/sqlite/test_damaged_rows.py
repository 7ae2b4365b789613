"""A row that cannot be read: whoever has that session is served no more, and everybody else is."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from quart_idle import StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.stores.base import Ended, Live
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.standing_clock import StandingClock
from tests.helpers.waiting import until
from tests.store_contract import HERE, Told, change, record

LIMITS = Limits(timeout=600.0)
DAMAGE = {
    "clocks": "clocks = x'00'",
    "moments that are no numbers": "clocks = x'" + 41 * "ff" + "'",
    "user": "user_id = x'ff'",
    "sign-in": "sign_in = x'00'",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
async def store(path: Path, clock: StandingClock, told: Told) -> AsyncIterator[SQLiteStore]:
    store = PatientStore(path, clock=clock)
    store.bind(LIMITS, lambda *what: told.append(what))
    for id in ("a1", "bad", "a2"):
        await store.create(id, change({"a": b"1"}, user_id="ada"))
    yield store
    await store.close()


def damage(path: Path, what: str, of: str = "sessions", id: str = "bad") -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        done = connection.execute(f"UPDATE {of} SET {what} WHERE id = ?", (id,))  # noqa: S608
        assert done.rowcount == 1


def whole(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT clocks, sign_in, data FROM sessions WHERE id = 'bad'")
        return found.fetchall()


async def is_over(store: SQLiteStore, id: str) -> bool:
    return isinstance(await store.load(id), Ended)


@pytest.mark.parametrize("what", DAMAGE.values(), ids=DAMAGE)
async def test_a_session_that_is_damaged_fails_alone_and_is_never_told_to_be_missing(
    store: SQLiteStore, path: Path, clock: StandingClock, what: str
) -> None:
    damage(path, what)
    await clock.advance(100)
    signs = dict.fromkeys(("a1", "bad", "a2", "none"), HERE)
    answer = await store.renew(signs)
    assert answer.keys() == {"a1", "a2", "none"}
    assert isinstance(answer["a1"], Live)
    assert isinstance(answer["a2"], Live)
    assert answer["none"] is None
    assert (await record(store, "a2")).clocks.seen == clock.now
    for call in (
        lambda: store.load("bad"),
        lambda: store.renew({"bad": HERE}),
        lambda: store.save("bad", change({"a": b"2"})),
        lambda: store.regenerate("bad", "new", change()),
        lambda: store.end("bad", "signed out"),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            await call()
        assert "the session bad is damaged" in str(caught.value.__cause__)


async def test_data_that_is_damaged_is_in_the_way_of_none_that_does_not_read_it(
    store: SQLiteStore, path: Path
) -> None:
    damage(path, "data = x'ffff'")
    assert isinstance((await store.renew({"bad": HERE}))["bad"], Live)
    with pytest.raises(StoreUnavailable):
        await store.load("bad")
    with pytest.raises(StoreUnavailable):
        await store.save("bad", change({"a": b"2"}))
    assert await store.end("bad", "signed out") == "bad"
    assert await is_over(store, "bad")


@pytest.mark.parametrize("what", DAMAGE.values(), ids=DAMAGE)
async def test_what_is_due_behind_a_damaged_one_ends_and_that_one_stays_as_it_is(
    store: SQLiteStore,
    path: Path,
    clock: StandingClock,
    told: Told,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    damage(path, what + ", look = 1")
    before = whole(path)
    await clock.advance(700)
    await until(lambda: {id for id, _ in told} == {"a1", "a2"})
    await clock.advance(700)
    await store.create("a3", change({"a": b"1"}))
    await clock.advance(700)
    await until(lambda: "a3" in {id for id, _ in told})
    assert whole(path) == before
    (line,) = [entry for entry in caplog.records if entry.levelno >= logging.ERROR]
    assert "sessions in SQLite are damaged (1, the first is bad)" in line.getMessage()


async def test_a_user_who_has_a_damaged_one_has_a_list_of_the_others_and_ends_them(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(path, DAMAGE["clocks"])
    for limit in (1, 2, 10):
        assert [one.id for one in await store.sessions_of("ada", 0, limit)] == ["a1", "a2"][:limit]
    # (In as many calls as it takes: a list that seems to be over would leave some.)
    monkeypatch.setattr("quart_idle.stores.changing.MOST_AT_ONCE", 2)
    ended = await store.end_some("ada", "over")
    while ended.rest is not None:
        ended = await store.end_some("ada", "over", rest=ended.rest)
    assert await is_over(store, "a1")
    assert await is_over(store, "a2")


async def test_a_list_in_which_nobody_has_signed_in_is_read_to_its_end(
    store: SQLiteStore, path: Path
) -> None:
    for id in ("a1", "bad", "a2"):
        damage(path, "sign_in = NULL", id=id)
    assert list(await store.sessions_of("ada", 0, 2)) == []


async def test_an_end_that_is_damaged_holds_up_no_other(
    store: SQLiteStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.keep_ends(lambda: True)
    for id in ("bad", "a1", "a2"):
        await store.end(id, "over")
    damage(path, "clocks = x'00'", of="ends")
    for _ in range(2):
        taken = await store.take_ends(10)
        await store.ends_told([end.id for end in taken.ends])
        assert {end.id for end in taken.ends} in ({"a1", "a2"}, set())
    assert (
        caplog.messages.count("the end of session bad cannot be read, and is told to nobody") == 1
    )


async def test_a_change_that_is_damaged_keeps_no_other_from_being_heard(
    store: SQLiteStore, path: Path, clock: StandingClock
) -> None:
    heard: Told = []
    other = PatientStore(path, clock=clock)
    other.bind(LIMITS, lambda *what: heard.append(what))
    await other.open()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO changes (at, space, worker, id, clocks) "
            "SELECT ?, max(space), 1, 'bad', x'00' FROM spaces",
            (clock.now,),
        )
    await store.end("a1", "over")
    await until(lambda: heard)
    assert [id for id, _ in heard] == ["a1"]
    await other.close()
