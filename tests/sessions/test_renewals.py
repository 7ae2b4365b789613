"""Renewals: signs of life are gathered, merged, written together, and never lost."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from quart_idle.policy import SignOfLife
from tests.helpers.clock import HOUR, Clock
from tests.helpers.renewing import SEEN, Writer, about


@pytest.fixture
def writer(clock: Clock) -> Writer:
    return Writer(clock)


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
