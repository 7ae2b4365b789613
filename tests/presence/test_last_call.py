"""What is due as a session comes to its end, alone: in which order, and when."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from quart_idle.exceptions import StoreUnavailable
from quart_idle.policy import Clocks, Limits, SignOfLife, deadline, renewed
from quart_idle.presence.deadlines import Deadlines
from quart_idle.presence.open_session import OpenSession, Page
from quart_idle.renewals import Renewals
from quart_idle.stores.base import Ended, Live, Record
from quart_idle.tasks import Tasks
from tests.helpers.clock import Clock

LIMITS = Limits(timeout=100.0, warning=20.0)


class Ending:
    """A session with a page that says nothing, and a store that has it; it begins now."""

    def __init__(self, clock: Clock, limits: Limits = LIMITS, timeout: float | None = None) -> None:
        self._clock = clock
        self._limits = limits
        self._began = clock()
        self.clocks = Clocks(self._began, self._began, self._began, paged=True, timeout=timeout)
        self.is_down = False
        #: What happened, and how many seconds after the beginning.
        self.log: list[tuple[str, float]] = []
        self.session = OpenSession("id")
        page = Page(self.session, self._send, set())
        page.accepted = True
        self.session.pages = (page,)
        self.deadlines = Deadlines(
            limits,
            Renewals(self._renew, self.tell),
            cast("Any", self),
            Tasks(),
            lambda _: self._note("the pages are asked"),
            self.tell,
        )
        self.tell("id", self._stored())

    def renew(self, *, heard: bool = False) -> None:
        """Renew the session in the store; whether this worker hears of it."""
        self.clocks = renewed(self.clocks, SignOfLife(0.0, 0.0), self._clock())
        if heard:
            self.tell("id", self._stored())

    async def load_session(self, id: str) -> Record | Ended | None:  # noqa: ARG002
        self._note("the store is asked")
        if self.is_down:
            raise StoreUnavailable
        return self._stored()

    def tell(self, id: str, outcome: Live | Record | Ended | None) -> None:  # noqa: ARG002
        if not isinstance(outcome, Live | Record):
            self._note("it is over")
            return
        self.deadlines.learn(self.session, outcome)
        if self.deadlines.take_back_warning(self.session):
            self._note("the warning is taken back")
        self.deadlines.arm(self.session)

    def _stored(self) -> Record | Ended:
        now = self._clock()
        if now >= deadline(self.clocks, self._limits)[0]:
            return Ended("idle")
        return Record({"a": b"1"}, "ada", self.clocks, now)

    async def _renew(self, signs: Any) -> Any:
        raise AssertionError(f"nobody is there to renew {signs}")

    async def _send(self, message: Any) -> None:
        self._note(json.loads(message["text"])["type"])

    def _note(self, what: str) -> None:
        self.log.append((what, round(self._clock() - self._began, 1)))


async def test_before_a_warning_and_before_the_end_the_pages_are_asked_and_then_the_store(
    clock: Clock,
) -> None:
    ending = Ending(clock)
    await clock.advance(1000)
    assert ending.log == [
        ("the pages are asked", 79),
        ("the store is asked", 80),
        ("warn", 80),
        ("the pages are asked", 99),
        ("the store is asked", 100),
        ("it is over", 100),
    ]


@pytest.mark.parametrize("moment", [79.5, 50])
async def test_what_only_the_store_knows_keeps_the_warning_away(
    clock: Clock, moment: float
) -> None:
    ending = Ending(clock)
    await clock.advance(moment)
    ending.renew()
    await clock.advance(100)
    assert ending.log == [
        ("the pages are asked", 79),
        ("the store is asked", 80),
        ("the pages are asked", moment + 79),
        ("the store is asked", moment + 80),
        ("warn", moment + 80),
        ("the pages are asked", moment + 99),
    ]


@pytest.mark.parametrize(("moment", "before"), [(50, []), (79.5, [("the pages are asked", 79)])])
async def test_a_session_that_is_renewed_is_left_in_peace_until_its_new_end_is_near(
    clock: Clock, moment: float, before: list[tuple[str, float]]
) -> None:
    ending = Ending(clock)
    await clock.advance(moment)
    ending.renew(heard=True)
    await clock.advance(90)
    assert ending.log == [
        *before,
        ("the pages are asked", moment + 79),
        ("the store is asked", moment + 80),
        ("warn", moment + 80),
    ]


async def test_a_warning_is_taken_back_when_the_session_was_renewed(clock: Clock) -> None:
    ending = Ending(clock)
    await clock.advance(90)
    ending.renew()
    await clock.advance(60)
    # Nobody told of it: the store was asked when the end was due.
    assert ending.log[2:] == [
        ("warn", 80),
        ("the pages are asked", 99),
        ("the store is asked", 100),
        ("the warning is taken back", 100),
    ]
    await clock.advance(100)
    assert ending.log[-1] == ("it is over", 190)
    assert [moment for what, moment in ending.log if what == "warn"] == [80, 170]


async def test_while_the_store_is_down_nothing_ends_and_it_is_asked_once_a_second(
    clock: Clock,
) -> None:
    ending = Ending(clock)
    ending.is_down = True
    await clock.advance(200)
    asked = [moment for what, moment in ending.log if what == "the store is asked"]
    assert {what for what, _ in ending.log} == {"the pages are asked", "the store is asked"}
    assert 119 <= len(asked) <= 121
    ending.is_down = False
    await clock.advance(2)
    assert ending.log[-1][0] == "it is over"


async def test_a_session_without_pages_is_let_go(clock: Clock) -> None:
    ending = Ending(clock)
    await clock.advance(50)
    ending.deadlines.disarm(ending.session)
    await clock.advance(1000)
    assert ending.log == []


@pytest.mark.parametrize(
    ("limits", "timeout", "warning"),
    [
        (LIMITS, None, 20),
        (LIMITS, 30.0, 20),
        (LIMITS, 20.0, 10),
        (LIMITS, 4.0, 2),
        (LIMITS._replace(closed_timeout=50.0), None, 20),
        (LIMITS._replace(closed_timeout=30.0), None, 15),
    ],
)
async def test_a_warning_comes_early_enough_for_what_time_there_is(
    clock: Clock, limits: Limits, timeout: float | None, warning: float
) -> None:
    ending = Ending(clock, limits, timeout)
    assert ending.deadlines.warning(ending.session) == warning
