"""Renewals: signs of life are gathered, merged, written together, and never lost."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from weakref import ref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quart import request

from quart_idle import StoreUnavailable
from quart_idle.policy import Clocks, SignOfLife, renewed
from quart_idle.quarts import current
from quart_idle.renewals import Renewals
from quart_idle.stores.base import Ended, Live
from tests.helpers.clock import HOUR, Clock
from tests.helpers.handlers import look, why
from tests.helpers.site import Site

HERE = SignOfLife(0.0, 0.0)
SEEN = SignOfLife(0.0, None)
PAGE = SignOfLife(0.0, 0.0, True)


class Writer:
    """Where renewals are written: when, and what."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.began = clock.monotonic()
        self.written: list[tuple[float, dict[str, SignOfLife]]] = []
        self.told: list[tuple[str, Live | Ended | None]] = []
        self.fails = False
        self.lost: set[str] = set()
        self.takes = 0.0
        self.renewals = Renewals(self.renew, lambda id, outcome: self.told.append((id, outcome)))

    async def renew(self, signs: Mapping[str, SignOfLife]) -> Mapping[str, Live | Ended | None]:
        if self.takes:
            await self._clock.advance(self.takes)
        if self.fails:
            raise StoreUnavailable
        here = {id: sign for id, sign in signs.items() if id not in self.lost}
        self.written.append((self._clock.monotonic() - self.began, here))
        return dict.fromkeys(here, Ended("idle"))

    def note(self, id: str = "id", sign: SignOfLife = HERE, left: float = HOUR) -> None:
        self.renewals.note(id, sign, left=left)

    @property
    def batches(self) -> list[dict[str, SignOfLife]]:
        return [batch for _, batch in self.written]


@pytest.fixture
def writer(clock: Clock) -> Writer:
    return Writer(clock)


def about(age: float | None) -> Any:
    return None if age is None else pytest.approx(age, abs=1e-6)


async def test_signs_of_life_are_gathered_and_written_in_one_call(
    writer: Writer, clock: Clock
) -> None:
    for number in range(300):
        writer.note(f"id{number}")
        await clock.advance(0.001)
    await clock.advance(1)
    (batch,) = writer.batches
    assert set(batch) == {f"id{number}" for number in range(300)}


async def test_where_a_part_of_the_store_fails_the_others_are_told_and_its_signs_are_kept(
    writer: Writer, clock: Clock
) -> None:
    writer.lost = {"lost"}
    for id in ("id", "lost"):
        writer.note(id)
    await clock.advance(5.2)
    assert writer.told == [("id", ("idle", 0.0))]
    assert 3 <= len(writer.batches) <= 7
    writer.lost = set()
    await clock.advance(2)
    assert [id for id, _ in writer.told] == ["id", "lost"]
    assert writer.batches[-1] == {"lost": (about(5.5), about(5.5), False)}


async def test_they_are_written_within_a_second(writer: Writer, clock: Clock) -> None:
    writer.note()
    await clock.advance(5)
    assert writer.written[0][0] <= 1


async def test_the_busiest_session_costs_two_writes_a_second_at_most(
    writer: Writer, clock: Clock
) -> None:
    for _ in range(1000):
        writer.note()
        await clock.advance(0.01)
    assert len(writer.written) <= 21


async def test_signs_of_one_session_are_merged_by_maximum(writer: Writer, clock: Clock) -> None:
    writer.note(sign=SignOfLife(0.0, 10.0))
    writer.note(sign=SignOfLife(5.0, 3.0, True))
    writer.note(sign=SignOfLife(7.0, None))
    await clock.advance(1)
    ((at, batch),) = writer.written
    assert batch == {"id": (about(at), about(3.0 + at), True)}


async def test_what_is_no_activity_stays_none(writer: Writer, clock: Clock) -> None:
    writer.note(sign=SEEN)
    writer.note(sign=SEEN)
    await clock.advance(1)
    assert writer.batches[0]["id"].active is None
    assert writer.batches[0]["id"].paged is False


async def test_ages_grow_until_they_are_written(writer: Writer, clock: Clock) -> None:
    writer.fails = True
    writer.note(sign=SignOfLife(1.0, 2.0))
    await clock.advance(60)
    writer.fails = False
    await clock.advance(5)
    ((at, batch),) = writer.written
    assert batch == {"id": (about(1.0 + at), about(2.0 + at), False)}


@pytest.mark.parametrize("left", [0.0, -5.0, 0.3, 0.9])
async def test_a_sign_that_comes_when_the_session_is_about_to_end_is_written_at_once(
    writer: Writer, left: float
) -> None:
    writer.note("other")
    writer.note(left=left)
    for _ in range(5):
        await asyncio.sleep(0)
    assert [set(batch) for batch in writer.batches] == [{"id", "other"}]


async def test_an_arrival_is_judged_when_it_is_written_and_counts_from_when_it_came(
    writer: Writer, clock: Clock
) -> None:
    active = {"active": False, "passive": True}
    came = [
        writer.renewals.note_arrival(id, partial(active.__getitem__, id), HOUR).moment
        for id in active
    ]
    active.update(active=True, passive=False)  # by now it is routed
    await clock.advance(1)
    ((at, batch),) = writer.written
    assert came == [writer.began] * 2
    assert batch == {"active": (about(at), about(at), False), "passive": (about(at), None, False)}


async def test_an_arrival_that_was_judged_is_not_judged_again(writer: Writer, clock: Clock) -> None:
    judged: list[str] = []

    def is_activity() -> bool:
        judged.append("id")
        return True

    for number in range(3):
        await clock.advance(0.1)
        arrival = writer.renewals.note_arrival("id", is_activity, HOUR)
        for _ in range(2):
            writer.renewals.judge(arrival)
        assert len(judged) == number + 1
    await clock.advance(1)
    ((at, batch),) = writer.written
    assert batch == {"id": (about(at - 0.3), about(at - 0.3), False)}
    writer.renewals.judge(arrival)
    await clock.advance(1)
    assert (len(judged), len(writer.written)) == (3, 1)


async def test_an_arrival_is_merged_with_signs_of_other_kinds(writer: Writer, clock: Clock) -> None:
    writer.note(sign=SignOfLife(3.0, 3.0, True))
    writer.renewals.note_arrival("id", lambda: True, HOUR)
    await clock.advance(1)
    ((at, batch),) = writer.written
    assert batch == {"id": (about(at), about(at), True)}


async def test_an_arrival_when_the_session_is_about_to_end_is_written_at_once(
    writer: Writer,
) -> None:
    writer.renewals.note_arrival("id", lambda: True, 0.5)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(writer.batches) == 1


# What is held back.


async def test_what_is_held_is_written_with_the_next_that_is_not_or_when_released(
    writer: Writer, clock: Clock
) -> None:
    for id in ("one", "two", "three", "four"):
        writer.renewals.note(id, SignOfLife(0.0, 1.0, True), left=HOUR, hold=True)
    await clock.advance(10)
    assert writer.written == []
    writer.note("one", SEEN)
    writer.renewals.note_arrival("two", lambda: False, HOUR)
    await clock.advance(1)
    assert [set(batch) for batch in writer.batches] == [{"one", "two"}]
    assert all(sign[1:] == (about(11.5), True) for sign in writer.batches[0].values())
    writer.renewals.release("three")
    await clock.advance(1)
    assert set(writer.batches[1]) == {"three"}
    writer.renewals.release("four")
    await writer.renewals.flush()
    assert set(writer.batches[2]) == {"four"}
    await clock.advance(10)
    assert len(writer.batches) == 3


async def test_releasing_what_is_not_held_does_nothing(writer: Writer, clock: Clock) -> None:
    writer.renewals.release("id")
    await clock.advance(5)
    assert writer.written == []


# When the store fails, or is slow.


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
        assert found.paged == expected.paged


# In an application.


async def test_requests_that_are_done_are_kept_no_longer_than_they_would_be_without_a_session(
    site: Callable[..., Site], clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in()
    kept = [(await browser.visit(lambda _: ref(current(request)))).value for _ in range(10)]
    await asyncio.sleep(0)
    gc.collect()
    assert sum(request() is not None for request in kept) <= 1
    assert here.store.calls.count("renew") == 0
    await clock.advance(1)
    assert here.store.calls.count("renew") == 1


async def test_what_was_noted_is_written_when_the_worker_stops(
    site: Callable[..., Site],
) -> None:
    here = site()
    async with here.app.test_app():
        browser = await here.signed_in()
        await browser.visit(look)
    assert here.store.calls == ["load", "renew", "close"]


async def test_a_store_that_is_down_when_the_worker_stops_is_closed_all_the_same(
    site: Callable[..., Site],
) -> None:
    here = site()
    async with here.app.test_app():
        browser = await here.signed_in()
        await browser.visit(look)
        here.store.fault = OSError()
    assert here.store.calls[-1] == "close"


async def test_requests_that_a_failing_store_could_not_be_told_of_still_count(
    site: Callable[..., Site], clock: Clock
) -> None:
    here = site(timeout=60)
    browser = await here.signed_in()
    await clock.advance(20)
    await browser.visit(look)
    here.store.fault = OSError()
    await clock.advance(35)
    here.store.fault = None
    await clock.advance(20)
    assert (await browser.visit(why)).value is None


async def test_what_is_over_is_not_written(writer: Writer, clock: Clock) -> None:
    writer.renewals.note("held", PAGE, left=HOUR, hold=True)
    writer.renewals.note("ready", PAGE, left=HOUR)
    writer.renewals.note("alive", PAGE, left=HOUR)
    for id in ("held", "ready", "unknown"):
        writer.renewals.forget(id)
    for id in ("held", "ready", "alive"):
        writer.renewals.release(id)
    await clock.advance(2)
    assert [set(batch) for batch in writer.batches] == [{"alive"}]
