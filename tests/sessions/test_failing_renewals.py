"""Signs of life while the store fails or is slow: kept, merged, and written when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quart_idle import StoreUnavailable
from quart_idle.policy import Clocks, SignOfLife, renewed
from quart_idle.renewals import Renewals
from quart_idle.stores.base import Ended, Live
from tests.helpers.clock import HOUR, Clock
from tests.helpers.renewing import HERE, PAGE, SEEN, Writer, about


@pytest.fixture
def writer(clock: Clock) -> Writer:
    return Writer(clock)


async def test_what_could_not_be_written_is_kept_and_written_when_the_store_is_back(
    writer: Writer, clock: Clock
) -> None:
    writer.fails = True
    writer.note("one")
    await clock.advance(10)
    writer.note("two", PAGE)
    await clock.advance(10)
    assert writer.told == []
    writer.fails = False
    await clock.advance(2)
    ((at, batch),) = writer.written
    assert batch == {
        "one": (about(at), about(at), False),
        "two": (about(at - 10), about(at - 10), True),
    }


async def test_a_store_that_fails_is_not_tried_more_than_once_a_second(
    writer: Writer, clock: Clock
) -> None:
    tries = 0
    renew = writer.renew

    async def count(signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        nonlocal tries
        tries += 1
        return await renew(signs)

    writer.renewals = Renewals(count, lambda *_: None)
    writer.fails = True
    writer.note()
    await clock.advance(60)
    assert 30 <= tries <= 61


async def test_a_flush_that_fails_or_is_cancelled_loses_nothing(writer: Writer) -> None:
    writer.note("one", PAGE)
    writer.fails = True
    with pytest.raises(StoreUnavailable):
        await writer.renewals.flush()
    writer.fails = False
    writer.takes = 5.0
    task = asyncio.create_task(writer.renewals.flush())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    writer.takes = 0.0
    await writer.renewals.flush()
    assert writer.batches == [{"one": (about(0), about(0), True)}]


async def test_what_comes_while_the_store_is_slow_is_merged_with_what_it_could_not_write(
    writer: Writer, clock: Clock
) -> None:
    writer.takes, writer.fails = 3.0, True
    writer.note(sign=PAGE)
    await clock.advance(2)
    writer.note(sign=SEEN)
    await clock.advance(2)
    writer.fails = False
    await clock.advance(10)
    (batch,) = writer.batches
    assert set(batch) == {"id"}
    assert batch["id"].paged
    assert batch["id"].active is not None
    assert batch["id"].active - batch["id"].seen == about(2.0)


async def test_a_slow_store_is_written_to_once_at_a_time(writer: Writer, clock: Clock) -> None:
    writer.takes = 3.0
    running = most = 0
    renew = writer.renew

    async def watch(signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        answer = await renew(signs)
        running -= 1
        return answer

    writer.renewals = Renewals(watch, lambda *_: None)
    for _ in range(40):
        writer.note()
        await clock.advance(0.25)
    await clock.advance(20)
    assert most == 1
    assert len(writer.written) >= 2


async def test_everyone_is_told_what_became_of_each_session(writer: Writer, clock: Clock) -> None:
    writer.note("one")
    writer.note("two")
    await clock.advance(1)
    assert writer.told == [("one", Ended("idle")), ("two", Ended("idle"))]


async def test_nothing_is_left_running_when_there_is_nothing_to_write(
    writer: Writer, clock: Clock
) -> None:
    tasks = asyncio.all_tasks()
    writer.note()
    writer.renewals.note("held", HERE, left=HOUR, hold=True)
    await clock.advance(5)
    assert asyncio.all_tasks() == tasks
    loop: Any = asyncio.get_running_loop()
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []
    await writer.renewals.flush()
    assert len(writer.written) == 1


def test_signs_from_a_loop_that_is_gone_are_written_in_the_next_one() -> None:
    written: list[str] = []

    async def renew(signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        written.extend(signs)
        return {}

    renewals = Renewals(renew, lambda *_: None)

    async def note(id: str) -> None:
        renewals.note(id, HERE, left=0.0 if id == "two" else HOUR)
        if id == "two":
            for _ in range(5):
                await asyncio.sleep(0)

    asyncio.run(note("one"))
    asyncio.run(note("two"))
    assert sorted(written) == ["one", "two"]


SIGNS = st.tuples(
    st.sampled_from(["a", "b"]),
    st.builds(
        SignOfLife,
        st.sampled_from([0.0, 1.0, 7.0]),
        st.none() | st.sampled_from([0.0, 2.0, 9.0]),
        st.booleans(),
    ),
    st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(steps=st.lists(SIGNS | st.sampled_from([0.1, 0.6, 3.0, "fail", "work", "slow", "quick"])))
async def test_whatever_happens_the_store_learns_the_same_as_if_each_sign_were_written_at_once(
    clock: Clock, steps: list[Any]
) -> None:
    writer = Writer(clock)
    clocks = dict.fromkeys("ab", Clocks(0.0, 0.0, 0.0))
    now = clock.monotonic
    for step in steps:
        match step:
            case "fail" | "work":
                writer.fails = step == "fail"
            case "slow" | "quick":
                writer.takes = 2.0 if step == "slow" else 0.0
            case float():
                await clock.advance(step)
            case id, sign, hold:
                writer.renewals.note(id, sign, left=HOUR, hold=hold)
                clocks[id] = renewed(clocks[id], sign, now())
    writer.fails, writer.takes = False, 0.0
    for id in clocks:
        writer.renewals.release(id)
    await clock.advance(10)
    for id, expected in clocks.items():
        found = Clocks(0.0, 0.0, 0.0)
        for at, batch in writer.written:
            if id in batch:
                found = renewed(found, batch[id], writer.began + at)
        # A write that takes its time is reckoned late by that: never early, by 2 s at most.
        assert expected.seen - 1e-6 <= found.seen <= expected.seen + 2.1
        assert expected.active - 1e-6 <= found.active <= expected.active + 2.1
