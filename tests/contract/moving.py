"""Moving what a store has to another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from quart_idle.move import Progress, WrongWay, move
from quart_idle.policy import Limits, SignOfLife
from quart_idle.reasons import REGENERATED, UNKNOWN
from quart_idle.stores.base import (
    MOST_DRAFTS,
    REASON_KEPT,
    Change,
    Device,
    DraftStore,
    EventStore,
    Record,
    Store,
    UserStore,
)
from quart_idle.stores.changing import Over
from quart_idle.stores.moving import Movable, SessionName
from tests.contract.common import Time, about, change, reason, record

#: Nobody is idle for a day here.
DAYS = Limits(timeout=200_000.0)


class ApplicationStore(Store, UserStore, DraftStore, EventStore):
    """All that an application has of a store."""


class MovableContract:
    """Inherit, and give the fixtures.

    ``old_store`` and ``new_store`` are bound to `DAYS`, and open; ``read_out`` and ``take_in`` are
    these as a `Movable`, open; ``another`` is one more old store, and that as
    a `Movable`. ``time`` is the clock of all. ``spoil`` makes a session of ``old`` or of ``new``
    one that cannot be read.
    """

    @pytest.fixture(autouse=True)
    def _given(
        self,
        old_store: ApplicationStore,
        new_store: ApplicationStore,
        read_out: Movable,
        take_in: Movable,
        another: tuple[ApplicationStore, Movable],
        time: Time,
        spoil: Callable[[str, str], None],
    ) -> None:
        self.old, self.new, self.clock = old_store, new_store, time
        self.source, self.target = read_out, take_in
        self.other_old, self.other_source = another
        self.make_unreadable = spoil
        for store in (old_store, new_store):
            store.keep_ends(lambda: True)

    async def move(self) -> Progress:
        return await move(self.source, self.target, lambda _: None)

    async def swept(self, id: str) -> None:
        """A session that is due in the source has ended there, and is not only told to have."""
        name = SessionName(id)
        for _ in range(300):
            if isinstance((await self.source.read([name]))[name].thing, Over):
                return
            await self.clock.advance(0.1)
            await asyncio.sleep(0.05)
        raise AssertionError(f"{id} is not swept")

    async def test_a_session_arrives_with_all_that_it_has(self) -> None:
        device = Device("192.0.2.1", "A browser")
        await self.old.create("ab1", change({"cart": b"\x00\xff", "_permanent": b"1"}))
        await self.clock.advance(10)
        signing_in = change({"name": b"Ada"}, user_id="ada", device=device, timeout=600.0)
        await self.old.regenerate("ab1", "ab2", signing_in)
        await self.clock.advance(20)
        await self.old.renew({"ab2": SignOfLife(0.0, None, paged=True)})
        await self.clock.advance(5)
        before = await record(self.old, "ab2")
        await self.move()
        after = await record(self.new, "ab2")
        assert (after.data, after.user_id) == (before.data, "ada")
        assert after.clocks.timeout == 600
        assert after.clocks.paged
        was, now = before.clocks, after.clocks
        for moment, then in (
            *((now.created, was.created), (now.active, was.active), (now.seen, was.seen)),
            (now.began, was.began),
        ):
            assert after.now - moment == about(before.now - then)
        assert before.sign_in is not None
        assert after.sign_in is not None
        assert after.sign_in.device == device
        assert after.now - after.sign_in.authenticated == about(
            before.now - before.sign_in.authenticated
        )

    async def test_it_is_in_its_user_s_list_and_ends_with_that(self) -> None:
        for id in ("ab1", "cd2"):
            await self.old.create(id, change({"a": b"1"}, user_id="ada"))
        await self.move()
        listed = await self.new.sessions_of("ada", 0, 10)
        assert {one.id for one in listed} == {"ab1", "cd2"}
        assert set((await self.new.end_some("ada", "enough")).ids) == {"ab1", "cd2"}
        assert await reason(self.new, "ab1") == "enough"

    async def test_it_ends_when_it_would_have_ended(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}, timeout=100.0))
        await self.clock.advance(60)
        await self.move()
        await self.clock.advance(30)
        await record(self.new, "ab1")
        await self.clock.advance(11)
        assert await reason(self.new, "ab1") == "idle"

    async def test_why_a_session_is_over_is_told_for_the_rest_of_the_hour(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.old.end("ab1", "enough")
        await self.clock.advance(REASON_KEPT - 100)
        await self.move()
        assert await reason(self.new, "ab1") == "enough"
        await self.clock.advance(101)
        assert await self.new.load("ab1") is None

    async def test_a_late_write_still_follows_a_change_of_token(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.old.regenerate("ab1", "ab2", change())
        await self.move()
        assert await reason(self.new, "ab1") == REGENERATED
        await self.new.save("ab1", change({"b": b"2"}))
        assert (await record(self.new, "ab2")).data == {"a": b"1", "b": b"2"}

    async def test_drafts_arrive_with_their_ages(self) -> None:
        await self.old.keep_draft("ab0a", "form:1", b"typed")
        await self.clock.advance(50)
        await self.move()
        assert await self.new.drafts("ab0a") == {"form:1": (b"typed", about(50))}

    async def test_an_end_that_is_to_be_told_is_told_there(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}, user_id="ada"))
        await self.old.end("ab1", "enough", by="cd2")
        await self.move()
        (end,) = (await self.new.take_ends(10)).ends
        assert (end.id, end.reason, end.by, end.session.user_id) == (
            *("ab1", "enough", "cd2"),
            "ada",
        )
        await self.new.ends_told(["ab1"])
        await self.move()
        await self.clock.advance(100)
        assert (await self.new.take_ends(10)).ends == []

    async def test_an_end_that_has_been_told_meanwhile_is_not_told_there(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.old.create("ab2", change({"a": b"1"}))
        await self.old.end("ab1", "enough")
        await self.move()
        await self.old.take_ends(10)
        await self.old.ends_told(["ab1"])
        await self.move()
        assert (await self.new.take_ends(10)).ends == []

    # Once more.

    async def test_the_second_time_there_is_nothing_to_do(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}, user_id="ada"))
        await self.old.create("ab2", change({"a": b"1"}))
        await self.old.end("ab2", "enough")
        await self.old.keep_draft("ab0a", "form", b"typed")
        first = await self.move()
        assert first.found == 1
        async for page in self.source.pages():
            assert await self.target.take_in(await self.source.identity(), page) == ([], [])
        assert len(await self.new.sessions_of("ada", 0, 10)) == 1

    async def test_what_was_changed_in_the_source_meanwhile_is_changed_in_the_target(self) -> None:
        await self.old.create("ab1", change({"a": b"1", "b": b"1"}))
        await self.move()
        await self.clock.advance(30)
        await self.old.save("ab1", change({"a": b"2", "b": None}))
        await self.old.renew({"ab1": SignOfLife(0.0, 0.0)})
        await self.move()
        after = await record(self.new, "ab1")
        assert after.data == {"a": b"2"}
        assert after.now - after.clocks.active == about(0)

    async def test_what_was_changed_in_the_target_is_not_written_over(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.move()
        await self.clock.advance(30)
        await self.new.save("ab1", change({"a": b"new"}))
        await self.old.save("ab1", change({"a": b"old"}))
        for _ in range(2):
            await self.old.renew({"ab1": SignOfLife(0.0, 0.0)})
            await self.move()
            after = await record(self.new, "ab1")
            assert after.data == {"a": b"new"}
            assert after.now - after.clocks.active == about(0)

    async def test_signs_of_life_in_the_target_are_not_lost(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.move()
        await self.clock.advance(30)
        await self.new.renew({"ab1": SignOfLife(0.0, 0.0)})
        await self.old.save("ab1", change({"a": b"2"}))
        await self.move()
        after = await record(self.new, "ab1")
        assert after.data == {"a": b"2"}
        assert after.now - after.clocks.active == about(0)

    @pytest.mark.parametrize("later", [0, REASON_KEPT + 10])
    async def test_what_has_ended_in_the_target_stays_ended(self, later: float) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.move()
        await self.new.end("ab1", "enough")
        await self.clock.advance(later)
        await self.old.save("ab1", change({"a": b"2"}))
        await self.move()
        assert not isinstance(await self.new.load("ab1"), Record)

    async def test_what_has_ended_in_the_source_ends_in_the_target_for_the_same_reason(
        self,
    ) -> None:
        for id in ("ab1", "cd2"):
            await self.old.create(id, change({"a": b"1"}, user_id="ada"))
        await self.move()
        await self.new.save("cd2", change({"a": b"2"}))  # somebody is there
        for id in ("ab1", "cd2"):
            await self.old.end(id, "enough")
        await self.move()
        for id in ("ab1", "cd2"):
            assert await reason(self.new, id) == "enough"
        assert await self.new.sessions_of("ada", 0, 10) == []

    async def test_a_token_that_was_changed_meanwhile_is_changed_in_the_target(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}, user_id="ada"))
        await self.move()
        await self.old.regenerate("ab1", "ab2", change())
        await self.move()
        assert await reason(self.new, "ab1") == REGENERATED
        await record(self.new, "ab2")
        assert [one.id for one in await self.new.sessions_of("ada", 0, 10)] == ["ab2"]

    async def test_who_has_gone_on_in_the_target_is_not_idle_by_the_source(self) -> None:
        for id in ("ab1", "ab2"):
            await self.old.create(id, change({"a": b"1"}, timeout=100.0))
        await self.move()
        await self.clock.advance(60)
        await self.new.renew({"ab1": SignOfLife(0.0, 0.0)})
        await self.clock.advance(60)
        await self.swept("ab1")
        await self.move()
        await record(self.new, "ab1")
        assert await reason(self.new, "ab2") == "idle"

    async def test_what_the_source_has_forgotten_ends_where_nobody_has_come_to_the_target(
        self,
    ) -> None:
        for id in ("ab1", "ab2", "ab3"):
            await self.old.create(id, change({"a": b"1"}))
        await self.move()
        for id in ("ab1", "ab2"):
            await self.old.end(id, "enough")
        await self.clock.advance(REASON_KEPT + 10)
        await self.new.renew({"ab2": SignOfLife(0.0, 0.0)})
        await self.move()
        assert await reason(self.new, "ab1") == UNKNOWN
        for id in ("ab2", "ab3"):
            await record(self.new, id)

    async def test_a_source_without_sessions_ends_nothing(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.move()
        await self.old.end("ab1", "enough")
        await self.clock.advance(REASON_KEPT + 10)
        assert (await self.move()).found == 0
        await record(self.new, "ab1")

    async def test_what_came_from_one_source_is_not_ended_for_want_of_it_in_another(self) -> None:
        for id in ("ab1", "ab2"):
            await self.old.create(id, change({"a": b"1"}))
        await self.old.keep_draft("ab0a", "form", b"typed")
        await self.other_old.create("cd1", change({"a": b"1"}))
        await self.move()
        await move(self.other_source, self.target, lambda _: None)
        for id in ("ab1", "ab2", "cd1"):
            await record(self.new, id)
        assert "form" in await self.new.drafts("ab0a")
        await self.old.end("ab1", "enough")
        await self.clock.advance(REASON_KEPT + 10)
        await self.move()
        assert await reason(self.new, "ab1") == UNKNOWN

    async def test_a_store_is_always_told_from_others(self) -> None:
        identities = {
            await store.identity() for store in (self.source, self.target, self.other_source) * 2
        }
        assert len(identities) == 3

    async def test_drafts_that_have_been_dropped_are_dropped(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        for name in ("one", "two"):
            await self.old.keep_draft("ab0a", name, b"typed")
        await self.move()
        await self.old.drop_draft("ab0a", "one")
        await self.new.drop_draft("ab0a", "two")
        await self.move()
        assert await self.new.drafts("ab0a") == {}

    async def test_a_draft_that_is_kept_again_after_it_was_dropped_arrives(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        for _ in range(2):
            await self.old.keep_draft("ab0a", "form", b"typed")
            await self.move()
            assert await self.new.drafts("ab0a") == {"form": (b"typed", about(0))}
            await self.old.drop_draft("ab0a", "form")
            await self.move()
            assert await self.new.drafts("ab0a") == {}
            await self.clock.advance(10)

    async def test_of_a_draft_the_younger_one_is_kept(self) -> None:
        for name in ("one", "two"):
            await self.old.keep_draft("ab0a", name, b"first")
        await self.move()
        await self.clock.advance(10)
        await self.old.keep_draft("ab0a", "one", b"second")
        await self.new.keep_draft("ab0a", "two", b"second")
        await self.move()
        assert await self.new.drafts("ab0a") == {
            "one": (b"second", about(0)),
            "two": (b"second", about(0)),
        }

    async def test_an_older_draft_takes_no_place_from_a_younger_one(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.old.keep_draft("ab0a", "old", b"typed")
        await self.clock.advance(10)
        names = {f"form {number}" for number in range(MOST_DRAFTS)}
        for name in sorted(names):
            await self.new.keep_draft("ab0a", name, b"typed")
            await self.clock.advance(1)
        await self.move()
        assert set(await self.new.drafts("ab0a")) == names
        await self.old.keep_draft("ab0a", "young", b"typed")
        await self.move()
        assert set(await self.new.drafts("ab0a")) == {*names, "young"} - {"form 0"}

    # What goes wrong.

    async def test_what_cannot_be_read_is_told_and_left_and_all_else_is_moved(self) -> None:
        for id in ("ab1", "ab2", "cd1", "cd2"):
            await self.old.create(id, change({"a": b"1"}))
        await self.move()
        for id in ("ab1", "cd1"):
            await self.old.save(id, change({"a": b"2"}))
        self.make_unreadable("old", "ab1")
        self.make_unreadable("new", "cd1")
        await self.old.create("ab3", change({"a": b"1"}))
        for _ in range(2):
            last = await self.move()
            assert last.unreadable == {SessionName("ab1"): "source", SessionName("cd1"): "target"}
        assert (await record(self.new, "ab1")).data == {"a": b"1"}
        await record(self.new, "ab3")

    async def test_nothing_is_moved_back_onto_what_is_older(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        await self.move()
        await self.new.save("ab1", change({"a": b"2"}))
        with pytest.raises(WrongWay, match="empty it first"):
            await move(self.target, self.source, lambda _: None)
        assert (await record(self.old, "ab1")).data == {"a": b"1"}
        await self.old.end("ab1", "enough")
        await self.new.create("ab2", change({"a": b"1"}))
        for _ in range(2):
            await move(self.target, self.source, lambda _: None)
            await record(self.old, "ab2")
        with pytest.raises(WrongWay, match="empty it first"):
            await self.move()

    async def test_a_store_is_not_moved_to_itself(self) -> None:
        await self.old.create("ab1", change({"a": b"1"}))
        with pytest.raises(WrongWay, match="are the same store"):
            await move(self.source, self.source, lambda _: None)

    async def test_a_session_of_a_thousand_fields_arrives(self) -> None:
        fields = {f"key {number}": b"x" * 50 for number in range(1200)}
        await self.old.create("ab1", Change(fields, {}))
        await self.move()
        assert (await record(self.new, "ab1")).data == fields
