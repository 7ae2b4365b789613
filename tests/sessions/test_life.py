"""A session, a store and whoever else has them: whatever happens, the table knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from quart_idle import Session, SessionEnded, StoreUnavailable
from quart_idle.cookies import id_of, new_token
from quart_idle.life import Life
from quart_idle.states import STATES, Event, IllegalTransition, State
from quart_idle.stores.base import Change, Record
from tests.helpers.site import MakeSite, Site

Pair = tuple[State, Event]

ENCODED = b"1"

#: What takes three things at once, and thousands of stories: a change of token without an answer,
#: another request, and that it is read again or left with nothing.
RARE = {
    (state, event)
    for state, row in STATES.items()
    for event in row
    if event is Event.ENDED_ELSEWHERE
    or (
        state in {State.REGENERATING, State.REGENERATING_CLEARED, State.REGENERATING_ENDING}
        and event in {Event.FOUND, Event.FOUND_OVER, Event.FOUND_SUPERSEDED, Event.SAVED}
    )
}


class Story:
    """One request with its session, told at random: each time another way through the table.

    While the store is asked, the application goes on, another request is there first, or the
    store fails, before the call has happened or after.
    """

    def __init__(self, here: Site, chance: Random) -> None:
        self.here, self.chance = here, chance
        self.interface: Any = here.app.session_interface
        self.tokens = [new_token() for _ in range(chance.choice((0, 1, 1, 2)))]

    async def tell(self) -> None:
        session = Session(self.interface)
        session._cookie_tokens = {id_of(token): token for token in self.tokens}
        for id in session._cookie_tokens:
            user = self.chance.choice((None, "ada"))
            await self.here.store.create(id, Change({"a": ENCODED}, {"user_id": user}))
            if self.chance.random() < 0.2:
                await self.be_there_first(id)
        await session.reload()
        for _ in range(self.chance.randrange(1, 9)):
            await self.step(session)

    async def step(self, session: Session) -> None:
        for _ in range(self.chance.randrange(3)):
            self.change(session)
        call = self.chance.choice((session.save, session.save, session.save, session.reload))
        names = ("create", "save", "regenerate", "end", "load")
        before = self.chance.random() < 0.5
        gates = [self.here.store.hold(name, after=not before) for name in names]
        task = asyncio.ensure_future(call())
        reached = [asyncio.ensure_future(gate.reached.wait()) for gate in gates]
        await asyncio.wait([task, *reached], return_when=asyncio.FIRST_COMPLETED)
        for waiting in reached:
            waiting.cancel()
        if not task.done():
            for _ in range(self.chance.randrange(3)):
                self.change(session)
            if self.chance.random() < 0.5:
                await self.be_there_first(session._life.stored_id or "")
            if self.chance.random() < 0.4:
                task.cancel()
        for gate in gates:
            gate.open()
        self.here.store._gates.clear()
        with suppress(StoreUnavailable, SessionEnded, asyncio.CancelledError):
            await task

    def change(self, session: Session) -> None:
        def give() -> None:
            session["b"] = self.chance.random()

        def take() -> None:
            for key in tuple(session):
                del session[key]

        def sign_in() -> None:
            session.user_id = self.chance.choice((None, "ada", "bob"))

        changes: tuple[Callable[[], Any], ...] = (give, take, take, sign_in)
        changes += (session.clear, session.regenerate, session.regenerate, session.end)
        with suppress(StoreUnavailable):
            self.chance.choice(changes)()

    async def be_there_first(self, id: str) -> None:
        """What another request does to the same session meanwhile."""
        inner: Any = self.here.store._inner
        new_id = id[:2] + f"{self.chance.getrandbits(248):062x}"
        what = self.chance.randrange(5)
        if what == 0:
            await inner.end(id, "elsewhere")
        elif what == 1:
            await inner.regenerate(id, new_id, Change({}, {}))
        elif what == 2:
            await inner.regenerate(id, new_id, Change({}, {"user_id": "eve"}))
        elif what == 3:
            await inner.save(id, Change({"a": None}, {}))
        elif not isinstance(await inner.load(id), Record):  # a store that lost what it knew
            inner._sessions._over.pop(id, None)
            await inner.create(id, Change({"a": ENCODED}, {}))


async def test_whatever_happens_to_a_session_is_in_the_table_and_what_is_in_it_happens(
    site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[Pair] = set()
    happen = Life._happen

    def note(life: Life[Any], event: Event) -> State:
        state = life.state
        after = happen(life, event)
        if event in STATES[state]:
            seen.add((state, event))
        return after

    monkeypatch.setattr(Life, "_happen", note)
    here = site()
    table = {(state, event) for state, row in STATES.items() for event in row}
    for seed in range(600):
        story = Story(here, Random(seed))
        try:
            await story.tell()
        except IllegalTransition as error:
            raise AssertionError(f"story {seed}") from error
    assert table - seen <= RARE
    assert not {event for _, event in table} - {event for _, event in seen}
