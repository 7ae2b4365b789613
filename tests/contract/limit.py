"""How many sessions a user may have, however many sign in at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_idle import Store, TooManySessions
from quart_idle.policy import SignOfLife
from quart_idle.stores.base import Change, Record, SessionLimit, UserStore
from tests.contract.common import Bound, Time, Told, change, reason

ACTIVE = SignOfLife(0.0, 0.0)


def sign_in(limit: int, user: str = "ada", *, refuses: bool = False, clear: bool = False) -> Change:
    made = change({"a": b"1"}, user_id=user, clear=clear)
    return made._replace(limit=SessionLimit(limit, refuses))


class Limits(Bound):
    @staticmethod
    async def living(store: Store, user: str = "ada") -> set[str]:
        """Ids of the sessions that live as the user's: as they are listed, and read."""
        assert isinstance(store, UserStore)
        ids = {one.id for one in await store.sessions_of(user, 0, 1000)}
        for id in ids:
            assert isinstance(await store.load(id), Record)
        return ids

    async def test_the_session_with_the_oldest_activity_ends_for_one_more(
        self, bound: Store, clock: Time, told: Told
    ) -> None:
        for id in ("one", "two", "three"):
            await bound.create(id, sign_in(3))
            await clock.advance(10)
        await bound.renew({"one": ACTIVE})
        await bound.create("bobs", sign_in(3, "bob"))
        await bound.create("four", sign_in(3))
        assert await self.living(bound) == {"one", "three", "four"}
        assert await reason(bound, "two") == "limit"
        await bound.create("visitor", change({"a": b"1"}))
        await bound.regenerate("visitor", "visitor-new", sign_in(3))
        assert await self.living(bound) == {"one", "four", "visitor-new"}
        assert await self.living(bound, "bob") == {"bobs"}
        await clock.advance(1)
        ended = [id for id, outcome in told if getattr(outcome, "reason", "") == "limit"]
        assert ended == ["two", "three"]

    async def test_one_more_is_refused_and_nothing_has_changed(self, bound: Store) -> None:
        await bound.create("one", sign_in(2, refuses=True))
        await bound.create("two", sign_in(2, refuses=True))
        await bound.create("visitor", change({"b": b"2"}))
        with pytest.raises(TooManySessions):
            await bound.create("three", sign_in(2, refuses=True))
        with pytest.raises(TooManySessions):
            await bound.regenerate("visitor", "visitor-new", sign_in(2, refuses=True, clear=True))
        assert await self.living(bound) == {"one", "two"}
        assert await bound.load("three") is None
        assert await bound.load("visitor-new") is None
        found = await bound.load("visitor")
        assert isinstance(found, Record)
        assert (found.data, found.user_id) == ({"b": b"2"}, None)
        await bound.end("one", "signed out")
        await bound.regenerate("visitor", "visitor-two", sign_in(2, refuses=True))
        assert await self.living(bound) == {"two", "visitor-two"}

    @pytest.mark.parametrize("refuses", [False, True])
    async def test_who_signs_in_again_in_the_same_session_takes_nobody_s_place(
        self, bound: Store, clock: Time, refuses: bool
    ) -> None:
        await bound.create("phone", sign_in(2, refuses=refuses))
        await clock.advance(10)
        await bound.create("laptop", sign_in(2, refuses=refuses))
        again = sign_in(2, refuses=refuses, clear=True)
        for _ in range(2):  # the answer was lost
            await bound.regenerate("laptop", "laptop-new", again)
        assert await self.living(bound) == {"phone", "laptop-new"}

    @pytest.mark.parametrize("refuses", [False, True])
    async def test_a_sign_in_that_is_asked_for_again_takes_one_place(
        self, bound: Store, refuses: bool
    ) -> None:
        await bound.create("one", sign_in(2, refuses=refuses))
        for _ in range(2):
            await bound.create("two", sign_in(2, refuses=refuses))
        assert await self.living(bound) == {"one", "two"}

    async def test_a_limit_that_is_new_ends_all_that_are_too_many(self, bound: Store) -> None:
        for number in range(10):
            await bound.create(f"id{number}", change(user_id="ada"))
        await bound.create("new", sign_in(2))
        assert await self.living(bound) == {"id9", "new"}

    async def test_of_very_many_the_last_active_stay_and_whoever_ends_meanwhile_is_over(
        self, bound: Store, clock: Time
    ) -> None:
        for number in range(1200):
            await bound.create(f"{number % 256:02x}id{number}", change(user_id="ada"))
        await bound.create("visitor", change({"a": b"1"}))
        await clock.advance(1)
        await bound.renew({"01id1": ACTIVE, "bcid700": ACTIVE})
        ending = asyncio.ensure_future(bound.end("visitor", "signed out"))
        signed_in = await bound.regenerate("visitor", "visitor-new", sign_in(3))
        if await ending != "visitor":  # it had signed in
            assert await ending == "visitor-new"
        else:
            assert signed_in is None
            assert await reason(bound, "visitor") == "signed out"
        await bound.create("new", sign_in(3))
        assert await self.living(bound) == {"01id1", "bcid700", "new"}
        assert await reason(bound, "00id0") == "limit"

    @pytest.mark.parametrize("most", [1, 3])
    @pytest.mark.parametrize("refuses", [False, True])
    async def test_sign_ins_at_the_same_moment_never_leave_more(
        self, bound: Store, refuses: bool, most: int
    ) -> None:
        await bound.create("first", sign_in(most, refuses=refuses))
        visitors = [f"visitor{number}" for number in range(6)]
        for id in visitors:
            await bound.create(id, change({"a": b"1"}))

        async def ask(call: Any, wait: int) -> None:
            for _ in range(wait):
                await asyncio.sleep(0)
            try:
                await call
            except TooManySessions:
                assert refuses

        calls: list[Any] = [
            bound.create(f"new{at}", sign_in(most, refuses=refuses)) for at in range(6)
        ]
        calls += [
            bound.regenerate(id, f"{id}-new", sign_in(most, refuses=refuses)) for id in visitors
        ]
        await asyncio.gather(*(ask(call, 3 * at % 7) for at, call in enumerate(calls)))
        found = await self.living(bound)
        assert 1 <= len(found) <= most
        assert ("first" in found) or not refuses
