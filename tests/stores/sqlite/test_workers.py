"""Several workers with one file: what one does the others hear, and none is in another's way."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from quart_idle import StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.reasons import REGENERATED
from quart_idle.stores.base import Ended, Record, UntoldEnd
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.sqlite_stores import PatientStore
from tests.helpers.standing_clock import StandingClock
from tests.helpers.waiting import until
from tests.store_contract import LIMITS, PAGE, Told, change, record

Worker = Callable[..., SQLiteStore]

WARNED = Limits(60.0, warning=60.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def worker(file: Path, clock: StandingClock) -> AsyncIterator[Worker]:
    """Workers' stores; each ends with the test."""
    made: list[SQLiteStore] = []

    def make(told: Told | None = None, limits: Limits = LIMITS, **how: Any) -> SQLiteStore:
        made.append(PatientStore(file, clock=clock))
        heard = [] if told is None else told
        made[-1].bind(limits, lambda *what: heard.append(what), **how)
        return made[-1]

    yield make
    for store in made:
        await store.close()


# Hearing.


async def test_what_one_worker_does_another_is_told_within_a_second(worker: Worker) -> None:
    told: Told = []
    one, other = worker(limits=WARNED), worker(told, WARNED)
    await one.open()
    await other.open()
    for id in ("a1", "a2"):
        await one.create(id, change({"a": b"1"}, user_id="ada"))
        await one.renew({id: PAGE})
    since = time.monotonic()
    await one.end("a1", "signed out")
    await one.regenerate("a2", "a2new", change())
    await until(lambda: len(told) >= 2)
    waited = time.monotonic() - since
    assert [(id, outcome[0]) for id, outcome in told] == [
        ("a1", "signed out"),
        ("a2", REGENERATED),
    ]
    assert waited < 5  # on a machine that is busy; else half a second


async def test_another_worker_is_told_of_a_renewal_when_pages_may_have_been_warned(
    worker: Worker, clock: StandingClock
) -> None:
    told: Told = []
    one, other = worker(limits=WARNED), worker(told, WARNED)
    await other.open()
    await one.create("a1", change({"a": b"1"}))
    await one.renew({"a1": PAGE})
    await clock.advance(20)
    live = (await one.renew({"a1": PAGE}))["a1"]
    await until(lambda: told)
    assert told == [("a1", live)]


async def test_a_worker_tells_itself_once(worker: Worker) -> None:
    told: Told = []
    one = worker(told)
    await one.open()
    await one.create("a1", change({"a": b"1"}))
    await one.end("a1", "signed out")
    await asyncio.sleep(1)
    assert told == [("a1", ("signed out", 0.0))]


async def test_workers_that_were_forked_with_the_store_at_hand_hear_each_other(
    worker: Worker,
) -> None:
    told: Told = []
    one = worker(told)
    other = copy.copy(one)  # what a fork leaves both with
    await one.open()
    await other.open()
    await one.create("a1", change({"a": b"1"}))
    await one.end("a1", "signed out")
    await until(lambda: len(told) == 2)
    assert {(id, outcome[0]) for id, outcome in told} == {("a1", "signed out")}
    await other.close()


async def test_a_worker_hears_only_once_it_has_listened_for_a_call_s_time(worker: Worker) -> None:
    one = worker(timeout=2.0)
    assert not one.hears(time.monotonic())
    await one.open()
    opened = time.monotonic()
    assert not one.hears(opened), "a call that was answered then may have been done before"
    assert one.hears(opened + 2.0)


async def test_a_worker_that_missed_something_says_so_and_goes_on(
    worker: Worker, file: Path
) -> None:
    told: Told = []
    one, other = worker(timeout=2.0), worker(told, timeout=2.0)
    await one.open()
    await other.open()
    since = time.monotonic() + 2.0
    assert other.hears(since)
    with closing(sqlite3.connect(file)) as connection:  # as if it had been away for long
        connection.execute("INSERT INTO changes VALUES (1000, 0, 1, 1, 'a0', x'00', 0, NULL)")
        connection.commit()
    await until(lambda: not other.hears(since))
    await one.create("a1", change({"a": b"1"}))
    await one.end("a1", "signed out")
    await until(lambda: ("a1", ("signed out", 0.0)) in told)
    assert other.hears(time.monotonic() + 2.0)


async def test_a_worker_that_cannot_read_does_not_hear(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = worker(timeout=0.5)
    await one.open()
    await until(lambda: one.hears(time.monotonic()))

    def fail(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    assert one._running is not None
    monkeypatch.setattr(one._running.reader, "do", fail)
    monkeypatch.setattr(one._running.reads, "_do", fail)
    await until(lambda: not one.hears(time.monotonic()))
    monkeypatch.undo()
    await until(lambda: one.hears(time.monotonic()))


async def test_what_workers_are_told_of_is_not_kept_for_ever(
    worker: Worker, clock: StandingClock, file: Path
) -> None:
    one = worker()
    for number in range(100):
        await one.create(f"a{number}", change({"a": b"1"}))
        await one.end(f"a{number}", "signed out")
        await clock.advance(10)
    with closing(sqlite3.connect(file)) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM changes").fetchone()
    assert kept <= 8


# What is due.


async def test_what_fell_due_while_nobody_ran_is_told_by_one_worker_each(
    worker: Worker, clock: StandingClock
) -> None:
    one = worker(limits=Limits(60.0))
    ids = {f"{number:04x}" for number in range(700)}
    await asyncio.gather(*(one.create(id, change({"a": b"1"}, user_id="ada")) for id in ids))
    await one.close()
    await clock.advance(12 * 3600)
    found: list[UntoldEnd] = []
    stores = [worker(limits=Limits(60.0)) for _ in range(2)]

    async def tell(store: SQLiteStore) -> None:
        store.keep_ends(lambda: True)
        while len(found) < len(ids):
            ends, _ = await store.take_ends(50)
            found.extend(ends)
            if ends:  # else it writes nothing by itself
                await store.ends_told([end.id for end in ends])
            await asyncio.sleep(0.05)

    async with asyncio.timeout(60):
        await asyncio.gather(*map(tell, stores))
    assert {*Counter(end.id for end in found).values()} == {1}
    assert {(end.reason, end.session.user_id) for end in found} == {("idle", "ada")}
    assert {end.session.now - end.session.clocks.created for end in found} == {60.0}
    assert await stores[0].sessions_of("ada", 0, 10) == []


# Writing at once, in several processes, which take long to start on a busy machine.

HOUR = Limits(timeout=3600.0)


def write(file: Path, worker: int, many: int) -> None:
    """What a process does: changes a session, and signs itself in."""

    async def work() -> None:
        store = PatientStore(file)
        store.bind(HOUR, lambda *_: None)
        for number in range(many):
            assert await store.save("a1", change({f"{worker}-{number}": b"1"}))
            await store.create(f"b{worker}-{number}", change(user_id="ada"))
        await store.close()

    asyncio.run(work())


async def test_workers_that_write_at_once_lose_nothing(file: Path) -> None:
    store = PatientStore(file)
    store.bind(HOUR, lambda *_: None)
    await store.create("a1", change({"a": b"1"}))
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write, args=(file, number, 60)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        await asyncio.to_thread(process.join, 90)
    assert [process.exitcode for process in processes] == [0] * 3
    assert len((await record(store, "a1")).data) == 1 + 3 * 60
    assert len(await store.sessions_of("ada", 0, 1000)) == 3 * 60
    await store.close()


def be_killed(file: Path) -> None:
    """What a process does that is killed in the middle of a transaction."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE sessions SET reason = x'61', ended_at = 0")
    os.kill(os.getpid(), signal.SIGKILL)


async def test_a_worker_that_is_killed_in_the_middle_leaves_nothing_and_holds_up_nobody(
    worker: Worker, file: Path
) -> None:
    one = worker()
    await one.create("a1", change({"a": b"1"}))
    process = multiprocessing.get_context("spawn").Process(target=be_killed, args=(file,))
    process.start()
    await asyncio.to_thread(process.join, 60)
    assert process.exitcode == -signal.SIGKILL
    assert await one.save("a1", change({"b": b"2"}))
    assert dict((await record(one, "a1")).data) == {"a": b"1", "b": b"2"}


# Faults.


async def test_a_file_that_is_locked_for_long_is_a_503_for_writes_and_reads_go_on(
    worker: Worker, file: Path
) -> None:
    one = worker(timeout=0.5)
    await one.open()
    await one.create("a1", change({"a": b"1"}))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            one.save("a1", change({"b": b"2"})), one.load("a1"), return_exceptions=True
        )
        assert isinstance(results[0], StoreUnavailable)
        assert isinstance(results[1], Record)
        other.execute("ROLLBACK")
    assert await one.save("a1", change({"c": b"3"}))
    assert dict((await record(one, "a1")).data) == {"a": b"1", "c": b"3"}


async def test_a_write_that_was_given_up_is_not_done_later_but_an_end_is(
    worker: Worker, file: Path
) -> None:
    told: Told = []
    one = worker(told)
    await one.open()
    for id in ("a1", "a2"):
        await one.create(id, change({"a": b"1"}))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        calls = [
            asyncio.create_task(one.save("a1", change({"b": b"2"}))),
            asyncio.create_task(one.end("a2", "signed out")),
        ]
        await asyncio.sleep(0.2)
        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        other.execute("ROLLBACK")
    await until(lambda: told)
    assert told == [("a2", ("signed out", 0.0))]
    assert dict((await record(one, "a1")).data) == {"a": b"1"}


async def wait_in_line(store: SQLiteStore) -> list[asyncio.Task[Any]]:
    """Calls behind one that waits for the file: one that saves `a1`, and one that ends `a2`."""
    first = asyncio.create_task(store.create("a3", change({"a": b"1"})))
    await asyncio.sleep(0.2)
    behind = [
        asyncio.create_task(store.save("a1", change({"b": b"2"}))),
        asyncio.create_task(store.end("a2", "signed out")),
    ]
    await asyncio.sleep(0.1)
    return [first, *behind]


@pytest.mark.parametrize("leave", ["cancelled", "closed"])
async def test_of_calls_that_were_given_up_before_their_turn_only_an_end_is_done(
    worker: Worker, file: Path, leave: str
) -> None:
    one = worker(timeout=120.0)
    await one.open()
    for id in ("a1", "a2"):
        await one.create(id, change({"a": b"1"}))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        calls = await wait_in_line(one)
        if leave == "cancelled":
            for call in calls:
                call.cancel()
        if leave == "closed":
            closing_it = asyncio.create_task(one.close())
            await asyncio.sleep(0.2)
        else:
            await asyncio.wait(calls)
        other.execute("ROLLBACK")
    if leave == "closed":
        await closing_it
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {StoreUnavailable, asyncio.CancelledError}
    two = worker()

    async def is_over() -> bool:
        return isinstance(await two.load("a2"), Ended)

    await until(is_over)
    assert dict((await record(two, "a1")).data) == {"a": b"1"}


async def test_a_call_that_cannot_be_done_fails_alone_and_costs_the_others_a_few_transactions(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = worker()
    await one.open()
    assert one._running is not None
    writer = one._running.writer
    do, batches = writer._do, list[int]()

    def counted(batch: Any) -> Any:
        batches.append(len(batch))
        return do(batch)

    monkeypatch.setattr(writer, "_do", counted)
    wrong: Any = {"a": object()}
    answers = await asyncio.gather(
        *(one.create(f"a{n}", change(wrong if n == 100 else {"a": b"1"})) for n in range(256)),
        return_exceptions=True,
    )
    assert [n for n, answer in enumerate(answers) if isinstance(answer, Exception)] == [100]
    assert len(batches) < 30
    assert isinstance(await one.load("a255"), Record)


async def test_a_call_that_cannot_be_done_fails_alone(worker: Worker) -> None:
    one = worker()
    wrong: Any = {"a": object()}
    saved, failed, *_ = await asyncio.gather(
        one.create("a1", change({"a": b"1"})),
        one.create("a2", change(wrong)),
        one.keep_draft("b0a1", "one", b"draft"),
        return_exceptions=True,
    )
    assert not isinstance(saved, Exception)
    assert isinstance(failed, TypeError)
    assert dict((await record(one, "a1")).data) == {"a": b"1"}
    assert list(await one.drafts("b0a1")) == ["one"]
    assert await one.load("a2") is None
