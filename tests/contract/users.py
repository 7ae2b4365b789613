"""A user's sessions: listed exactly while they live as this user's, and ended for good."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from quart_idle import Store
from quart_idle.stores.base import Record, UserStore
from tests.contract.common import PAGE, Bound, Over, Time, about, change, over, reason, record


class Users(Bound):
    @pytest.fixture
    def users(self, bound: Store) -> UserStore:
        """The store, as what lists users' sessions."""
        assert isinstance(bound, UserStore)
        return bound

    @staticmethod
    async def listed(users: UserStore, user: str = "ada") -> list[str]:
        return [one.id for one in await users.sessions_of(user, 0, 100)]

    @staticmethod
    async def end_all(
        users: UserStore, user: str, reason: str, keep: str | None = None
    ) -> set[str]:
        """End all sessions of a user but for one to keep; which those were."""
        ids, rest = await users.end_some(user, reason, keep)
        ended = set(ids)
        while rest is not None:
            ids, rest = await users.end_some(user, reason, keep, rest)
            assert not ended & set(ids)
            ended |= set(ids)
        return ended

    async def test_a_session_is_listed_with_its_clocks(
        self, bound: Store, users: UserStore, clock: Time
    ) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada"))
        await bound.create("nobody", change({"a": b"1"}))
        await clock.advance(10)
        await bound.renew({"id": PAGE})
        (one,) = await users.sessions_of("ada", 0, 10)
        found = await record(bound)
        assert (one.id, one.clocks, one.now) == ("id", found.clocks, about(found.now))
        assert await self.listed(users, "bob") == []

    @over
    async def test_a_session_that_is_over_is_listed_no_more(
        self,
        bound: Store,
        users: UserStore,
        clock: Time,
        over: Over,
        request: pytest.FixtureRequest,
    ) -> None:
        await bound.create("id", change({"a": b"1"}, user_id="ada"))
        await over(bound, clock)
        moved = request.node.callspec.id == "regenerated"
        assert await self.listed(users) == (["id-new"] if moved else [])

    async def test_it_follows_signing_in_another_user_and_signing_out(
        self, bound: Store, users: UserStore
    ) -> None:
        await bound.create("id", change({"a": b"1"}))
        ids = ["id", "id-ada", "id-bob", "id-none"]
        for (id, new_id), user in zip(pairwise(ids), ("ada", "bob", None), strict=True):
            await bound.regenerate(id, new_id, change(user_id=user))
            for name in ("ada", "bob"):
                assert await self.listed(users, name) == ([new_id] if name == user else [])
        await bound.save("id-none", change(user_id="ada"))
        assert await self.listed(users) == ["id-none"]
        await bound.save("id-none", change({"a": None}, user_id=None))
        assert await self.listed(users) == []

    async def test_a_page_goes_on_behind_a_place_whatever_became_of_who_had_it(
        self, bound: Store, users: UserStore
    ) -> None:
        for number in range(7):
            await bound.create(f"id{number}", change(user_id="ada"))
        first = await users.sessions_of("ada", 0, 3)
        assert [one.id for one in first] == ["id0", "id1", "id2"]
        await bound.end("id2", "over")
        await bound.regenerate("id3", "id3-new", change())
        await bound.end("id4", "over")
        rest = await users.sessions_of("ada", first[-1].place, 3)
        assert [one.id for one in rest] == ["id3-new", "id5", "id6"]
        assert await users.sessions_of("ada", rest[-1].place, 3) == []

    async def test_all_of_a_user_s_are_ended_and_nobody_else_s(
        self, bound: Store, users: UserStore
    ) -> None:
        for id in ("id1", "id2", "id3"):
            await bound.create(id, change(user_id="ada"))
        await bound.create("other", change(user_id="bob"))
        await bound.regenerate("id2", "id2-new", change())
        assert await self.end_all(users, "ada", "stolen", "id2") == {"id1", "id3"}
        assert await self.listed(users) == ["id2-new"]
        assert await reason(bound, "id1") == "stolen"
        assert await self.end_all(users, "ada", "stolen") == {"id2-new"}
        assert await self.end_all(users, "ada", "stolen") == set()
        assert await self.listed(users, "bob") == ["other"]

    @pytest.mark.parametrize("steps", range(12))
    async def test_a_change_of_token_under_way_does_not_escape_the_end_of_all(
        self, bound: Store, users: UserStore, steps: int
    ) -> None:
        await bound.create("id", change(user_id="ada"))
        moving = asyncio.create_task(bound.regenerate("id", "id-new", change()))
        for _ in range(steps):
            await asyncio.sleep(0)
        await self.end_all(users, "ada", "stolen")
        await moving
        for id in ("id", "id-new"):
            assert not isinstance(await bound.load(id), Record)
        assert await self.listed(users) == []

    @pytest.mark.parametrize("steps", range(12))
    async def test_who_signs_in_while_all_are_ended_is_over_or_listed(
        self, bound: Store, users: UserStore, steps: int
    ) -> None:
        signing_in = asyncio.create_task(bound.create("id", change(user_id="ada")))
        for _ in range(steps):
            await asyncio.sleep(0)
        await self.end_all(users, "ada", "stolen")
        await signing_in
        lives = isinstance(await bound.load("id"), Record)
        assert await self.listed(users) == (["id"] if lives else [])
        await self.end_all(users, "ada", "stolen")
        assert not isinstance(await bound.load("id"), Record)

    @pytest.mark.parametrize("user", ["a" * 10_000, "\ud800", "a:{b}", "{}", "\x00\xff"])
    async def test_a_user_can_be_called_anything(
        self, bound: Store, users: UserStore, user: str
    ) -> None:
        await bound.create("id", change(user_id=user))
        assert await self.listed(users, user) == ["id"]
        assert await self.end_all(users, user, "over") == {"id"}

    async def test_thousands_are_ended_in_bites_and_who_signs_in_meanwhile_goes_on(
        self, bound: Store, users: UserStore
    ) -> None:
        ids = [f"{number % 256:02x}{number}" for number in range(1200)]
        for at in range(0, 1200, 200):
            some = ids[at : at + 200]
            await asyncio.gather(*(bound.create(id, change(user_id="ada")) for id in some))
        ids = [one.id for one in await users.sessions_of("ada", 0, 2000)]
        assert len(ids) == 1200
        ended, rest = await users.end_some("ada", "stolen", ids[700])
        assert rest is not None
        assert 0 < len(ended) < 1200
        await bound.create("later", change(user_id="ada"))
        await bound.regenerate(ids[700], ids[700] + "-new", change())
        await bound.regenerate(ids[-1], ids[-1] + "-new", change())
        found = set(ended)
        while rest is not None:
            ended, rest = await users.end_some("ada", "stolen", ids[700], rest)
            found |= set(ended)
        assert found == {*ids, ids[-1] + "-new"} - {ids[700], ids[-1]}
        assert set(await self.listed(users)) == {ids[700] + "-new", "later"}
