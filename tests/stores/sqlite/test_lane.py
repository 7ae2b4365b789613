"""The way to a thread and back: together, in time, and never for nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import pytest

from quart_idle import StoreUnavailable
from quart_idle.stores.sqlite.lane import Asked, Lane
from tests.helpers.waiting import until


class Disk:
    """What a thread works on: it answers with numbers, and may hang."""

    def __init__(self) -> None:
        self.goes_on = Event()
        self.goes_on.set()
        self.batches: list[int] = []
        self.is_closed = False

    def do(self, batch: Sequence[Asked]) -> Sequence[Any]:
        self.batches.append(len(batch))
        assert self.goes_on.wait(60)
        return range(len(batch))

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def lane(disk: Disk) -> AsyncIterator[Lane[Asked]]:
    lane = Lane[Asked](disk.do, disk.close, 20.0, "test")
    yield lane
    disk.goes_on.set()
    await lane.close()
    await until(lambda: disk.is_closed)


async def test_what_is_asked_in_one_turn_goes_together_and_what_comes_meanwhile_too(
    lane: Lane[Asked], disk: Disk
) -> None:
    disk.goes_on.clear()
    first = asyncio.gather(*(lane.ask(Asked()) for _ in range(3)))
    await until(lambda: disk.batches, every=0)
    second = asyncio.gather(*(lane.ask(Asked()) for _ in range(4)))
    await asyncio.sleep(0)
    disk.goes_on.set()
    assert await first == [0, 1, 2]
    assert await second == [0, 1, 2, 3]
    assert disk.batches == [3, 4]


async def test_while_a_disk_hangs_everybody_is_told_in_time_and_afterwards_it_goes_on(
    disk: Disk,
) -> None:
    lane = Lane[Asked](disk.do, disk.close, 0.4, "test")
    disk.goes_on.clear()
    for _ in range(2):  # the first is under way, and the second waits for its turn
        with pytest.raises(StoreUnavailable) as caught:
            await lane.ask(Asked())
        assert isinstance(caught.value.__cause__, TimeoutError)
    assert disk.batches == [1]
    disk.goes_on.set()

    async def answered() -> bool:
        with suppress(StoreUnavailable):  # the machine may be busy
            return bool(await lane.ask(Asked()) == 0)
        return False

    await until(answered)
    await lane.close()


async def test_who_waits_when_it_is_closed_is_told_and_who_comes_later_too(disk: Disk) -> None:
    lane = Lane[Asked](disk.do, disk.close, 60.0, "test")
    disk.goes_on.clear()
    waiting = [asyncio.create_task(lane.ask(Asked()))]
    await until(lambda: disk.batches)
    waiting.append(asyncio.create_task(lane.ask(Asked())))
    await asyncio.sleep(0)
    closing = asyncio.create_task(lane.close())
    for task in (*waiting, asyncio.create_task(lane.ask(Asked()))):
        with pytest.raises(StoreUnavailable) as caught:
            await task
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    disk.goes_on.set()
    await closing
    await until(lambda: disk.is_closed)


async def test_where_the_system_has_no_thread_now_a_call_fails_at_once_and_the_next_has_one(
    lane: Lane[Asked], disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", fail)
        for _ in range(2):
            answers = await asyncio.gather(
                *(lane.ask(Asked()) for _ in range(2)), return_exceptions=True
            )
            for answer in answers:
                assert isinstance(answer, StoreUnavailable)
                assert "can't start new thread" in str(answer.__cause__)
    assert await lane.ask(Asked()) == 0
    assert disk.batches == [1]


async def test_an_error_that_no_future_takes_is_told_and_holds_up_no_other(disk: Disk) -> None:
    def do(batch: Sequence[Asked]) -> Sequence[Any]:
        return [StopIteration("odd") if at == 0 else at for at in range(len(batch))]

    lane = Lane[Asked](do, disk.close, 20.0, "test")
    for _ in range(2):
        odd, other = await asyncio.wait_for(
            asyncio.gather(lane.ask(Asked()), lane.ask(Asked()), return_exceptions=True), 15
        )
        assert "odd" in str(odd)
        assert other == 1
    await lane.close()


def test_a_thread_whose_loop_is_gone_does_what_it_was_given_and_ends(disk: Disk) -> None:
    async def begin() -> Lane[Asked]:
        lane = Lane[Asked](disk.do, disk.close, 60.0, "test")
        asking = asyncio.create_task(lane.ask(Asked()))
        await until(lambda: disk.batches)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        return lane

    disk.goes_on.clear()
    thread = asyncio.run(begin())._thread
    done = Event()
    thread.put(done.set)
    disk.goes_on.set()
    assert done.wait(60)
    thread.shutdown()
