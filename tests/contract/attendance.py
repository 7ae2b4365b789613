"""Open pages of all workers: what workers report, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from quart_idle import Store
from quart_idle.stores.attendance import GONE_KEPT, HELD_BACK, MOST_TAKEN_OFF
from quart_idle.stores.base import (
    MOST_REPORTED,
    Counts,
    OpenPages,
    PresenceStore,
    Report,
    Reported,
)
from tests.contract.common import Bound, Time, about

LEASE, GRACE = 30.0, 45.0

# Users by what is odd about their names.
ODD = {
    "empty but for a space": " ",
    "long": "a" * 10_000,
    "half a surrogate": "\ud800",
    "colon": "12:ada",
    "braces": "{pages}",
    "lines": "ada\n\0bob",
    "not ASCII": "\N{SNOWMAN}",
}


class Worker:
    """A worker as a store sees it."""

    def __init__(self, store: PresenceStore, name: str, *, tells: bool = True) -> None:
        self.store = store
        self.name = name
        self.number = 0
        self.tells = tells
        self.lease = LEASE

    async def report(self, changes: Mapping[str, tuple[str | None, int]] | None = None) -> Reported:
        self.number += 1
        found = await self.again(changes)
        assert found is not None
        return found

    async def again(
        self, changes: Mapping[str, tuple[str | None, int]] | None = None
    ) -> Reported | None:
        pages = {id: OpenPages(*it) for id, it in (changes or {}).items()}
        report = Report(self.name, self.number, pages, self.lease, GRACE, self.tells)
        return await self.store.report_pages(report)


class Attendance(Bound):
    @pytest.fixture
    def presence(self, bound: Store) -> PresenceStore:
        assert isinstance(bound, PresenceStore)
        return bound

    @pytest.fixture
    def one(self, presence: PresenceStore) -> Worker:
        return Worker(presence, "aa1")

    @pytest.fixture
    def other(self, presence: PresenceStore) -> Worker:
        return Worker(presence, "bb2")

    async def test_pages_sessions_and_users_are_counted_over_all_workers(
        self, presence: PresenceStore, one: Worker, other: Worker
    ) -> None:
        assert await presence.count_pages(GRACE) == Counts(0, 0, 0)
        await one.report({"a1": ("ada", 2), "b1": ("bob", 1), "c1": (None, 4)})
        await other.report({"a1": ("ada", 1), "a2": ("ada", 1)})
        ids = ["a1", "a2", "b1", "c1", "d1"]
        assert await presence.pages_of(ids) == {"a1": 3, "a2": 1, "b1": 1, "c1": 4}
        assert await presence.count_pages(GRACE) == Counts(2, 4, 9)
        assert set(await presence.online(["ada", "bob", "eve"], GRACE)) == {"ada", "bob"}
        await one.report({"a1": ("ada", 0), "c1": (None, 1)})
        assert await presence.pages_of(ids) == {"a1": 1, "a2": 1, "b1": 1, "c1": 1}
        assert await presence.count_pages(GRACE) == Counts(2, 4, 4)

    async def test_a_user_comes_online_with_the_first_page_and_goes_a_grace_after_the_last(
        self, presence: PresenceStore, one: Worker, other: Worker, clock: Time
    ) -> None:
        came = await one.report({"a1": ("ada", 1)})
        assert list(came.online) == ["ada"]
        start = came.online["ada"]
        assert not (await other.report({"a2": ("ada", 1)})).online
        await clock.advance(10)
        await one.report({"a1": ("ada", 0)})
        await clock.advance(10)
        await other.report({"a2": ("ada", 0)})
        for _ in range(4):
            await clock.advance(10)
            assert await presence.online(["ada"], GRACE)
            assert (await presence.count_pages(GRACE)).users == 1
            for worker in (one, other):
                assert not (await worker.report()).offline
        await clock.advance(6)
        assert not await presence.online(["ada"], GRACE)
        assert await presence.count_pages(GRACE) == Counts(0, 0, 0)
        assert (await other.report()).offline == {"ada": about(start + 20)}
        assert not (await one.report()).offline

    async def test_who_comes_back_within_the_grace_was_never_gone(
        self, one: Worker, other: Worker, clock: Time
    ) -> None:
        await one.report({"a1": ("ada", 1)})
        await one.report({"a1": ("ada", 0)})
        await clock.advance(29)
        assert not (await other.report({"a2": ("ada", 1)})).online
        for _ in range(4):
            await clock.advance(15)
            assert not (await other.report()).offline

    async def test_who_comes_back_after_the_grace_went_and_came(
        self, one: Worker, clock: Time
    ) -> None:
        await one.report({"a1": ("ada", 1)})
        await one.report({"a1": ("ada", 0)})
        await clock.advance(29)
        await one.report()
        await clock.advance(17)
        found = await one.report({"a2": ("ada", 1)})
        assert list(found.online) == list(found.offline) == ["ada"]
        assert found.online["ada"] == about(found.offline["ada"] + 46)

    async def test_a_session_that_became_another_user_s_moves_its_pages(
        self, presence: PresenceStore, one: Worker
    ) -> None:
        await one.report({"a1": ("ada", 2)})
        assert list((await one.report({"a1": ("bob", 2)})).online) == ["bob"]
        assert await presence.count_pages(0.0) == Counts(1, 1, 2)
        assert await presence.online(["ada", "bob"], 0.0) == ["bob"]
        await one.report({"a1": (None, 2)})
        assert await presence.count_pages(0.0) == Counts(0, 1, 2)

    async def test_pages_of_a_worker_that_is_gone_count_until_its_lease_is_over(
        self, presence: PresenceStore, one: Worker, other: Worker, clock: Time
    ) -> None:
        start = (await one.report({"a1": ("ada", 1), "c1": (None, 1)})).online["ada"]
        await clock.advance(28)
        await other.report({"c1": (None, 1)})
        assert await presence.count_pages(GRACE) == Counts(1, 2, 3)
        await clock.advance(3)
        assert await presence.pages_of(["a1", "c1"]) == {"c1": 1}
        assert await presence.count_pages(GRACE) == Counts(1, 1, 1)
        assert await presence.online(["ada"], GRACE), "within the grace"
        assert (await other.report()).due <= 30
        await clock.advance(29)
        await other.report()
        await clock.advance(17)
        assert not await presence.online(["ada"], GRACE)
        assert (await other.report()).offline == {"ada": about(start + LEASE)}

    async def test_who_was_gone_before_anybody_looked_is_not_online(
        self, presence: PresenceStore, one: Worker, other: Worker, clock: Time
    ) -> None:
        start = (await one.report({"a1": ("ada", 1)})).online["ada"]
        await clock.advance(LEASE + GRACE + 1)
        assert not await presence.online(["ada"], GRACE)
        assert await presence.count_pages(GRACE) == Counts(0, 0, 0)
        found = await other.report()
        assert not found.offline, "all others may have been kept from reporting, too"
        for _ in range(2):
            assert found.due > 1
            await clock.advance(HELD_BACK / 2 + 0.5)
            found = await other.report()
        assert found.offline == {"ada": about(start + LEASE)}

    @pytest.mark.parametrize("away", [LEASE + GRACE + 5, 600.0])
    async def test_who_was_there_while_no_worker_could_report_is_told_of_as_neither(
        self, presence: PresenceStore, one: Worker, other: Worker, clock: Time, away: float
    ) -> None:
        await one.report({"a1": ("ada", 1)})
        await other.report({"b1": ("bob", 1)})
        await clock.advance(away)
        other.number += 1
        assert await other.again() is None
        back = Worker(presence, "bb3")
        found = [await back.report({"b1": ("bob", 1)}), await back.report()]
        await clock.advance(10)
        one.number += 1
        assert await one.again() is None
        last = Worker(presence, "aa3")
        found.append(await last.report({"a1": ("ada", 1)}))
        for _ in range(4):
            await clock.advance(14)
            found += [await back.report(), await last.report()]
        assert [(it.online, it.offline) for it in found] == len(found) * [({}, {})]
        assert await presence.count_pages(GRACE) == Counts(2, 2, 2)

    @pytest.mark.parametrize(("longer", "shorter"), [("aa1", "bb2"), ("bb2", "aa1")])
    async def test_a_user_is_gone_since_the_last_lease_of_their_pages_was_over(
        self, presence: PresenceStore, clock: Time, longer: str, shorter: str
    ) -> None:
        for name, lease in ((longer, LEASE + 20), (shorter, LEASE)):
            worker = Worker(presence, name)
            worker.lease = lease
            await worker.report({f"{name}a": ("ada", 1)})
        await clock.advance(LEASE + GRACE + 5)
        assert await presence.online(["ada"], GRACE), "a page was open 30 s ago"
        await Worker(presence, "cc3").report()
        assert await presence.online(["ada"], GRACE)

    async def test_a_lease_is_held_by_reports_of_nothing(
        self, presence: PresenceStore, one: Worker, clock: Time
    ) -> None:
        await one.report({"a1": ("ada", 1)})
        for _ in range(5):
            await clock.advance(20)
            assert await one.report() is not None
        assert await presence.pages_of(["a1"]) == {"a1": 1}

    async def test_a_worker_whose_lease_is_over_is_told_to_begin_anew(
        self, presence: PresenceStore, one: Worker, clock: Time
    ) -> None:
        await one.report({"a1": ("ada", 1)})
        await clock.advance(LEASE + 1)
        one.number += 1
        assert await one.again({"a2": ("ada", 1)}) is None
        assert await presence.pages_of(["a1", "a2"]) == {}
        anew = Worker(presence, "aa2")
        assert not (await anew.report({"a1": ("ada", 1)})).online, "ada was not gone for long"
        assert await presence.pages_of(["a1", "a2"]) == {"a1": 1}

    async def test_many_pages_of_a_worker_that_is_gone_are_taken_off_by_and_by(
        self, presence: PresenceStore, one: Worker, clock: Time
    ) -> None:
        many = 3 * MOST_TAKEN_OFF + MOST_REPORTED
        for at in range(0, many, MOST_REPORTED):
            numbers = range(at, at + MOST_REPORTED)
            await one.report({f"{number:04x}": (f"user {number}", 1) for number in numbers})
        await clock.advance(LEASE + 1)
        one.number += 1
        assert await one.again() is None, "its lease is over, whatever is left of it"
        assert await presence.forget_pages(one.name), "some are left for the next call"
        await presence.forget_pages(one.name)
        await presence.forget_pages(one.name)
        assert not await presence.forget_pages(one.name)
        assert await presence.count_pages(GRACE) == Counts(many, 0, 0)
        assert await presence.online(["user 0", f"user {many - 1}"], 0.0) == []

    async def test_a_report_that_is_not_the_next_is_refused(
        self, presence: PresenceStore, one: Worker
    ) -> None:
        one.number = 2
        assert await one.again({"a1": ("ada", 1)}) is None
        one.number = 0
        for _ in range(3):
            await one.report()
        for one.number in (2, 5):
            assert await one.again({"a1": ("ada", 1)}) is None
        assert await presence.count_pages(GRACE) == Counts(0, 0, 0)

    async def test_what_a_worker_had_that_is_to_begin_anew_does_not_count_beside_what_it_has(
        self, presence: PresenceStore, one: Worker
    ) -> None:
        await one.report({"a1": ("ada", 1)})
        one.number += 2
        assert await one.again() is None
        anew = await Worker(presence, "aa2").report({"a1": ("ada", 1)})
        assert not anew.online
        assert await presence.count_pages(GRACE) == Counts(1, 1, 1)

    async def test_a_report_that_is_sent_again_is_done_once_and_answered_the_same(
        self, presence: PresenceStore, one: Worker, clock: Time
    ) -> None:
        await one.report({"b1": ("bob", 1)})
        await one.report({"b1": ("bob", 0)})
        await clock.advance(29)
        await one.report()
        await clock.advance(17)
        first = await one.report({"a1": ("ada", 1)})
        again = await one.again({"a1": ("ada", 1)})
        assert again is not None
        assert (again.online, again.offline) == (first.online, first.offline)
        assert list(first.online) == ["ada"]
        assert list(first.offline) == ["bob"]
        assert await presence.count_pages(GRACE) == Counts(1, 1, 1)

    async def test_a_worker_that_stops_has_no_pages_at_once(
        self, presence: PresenceStore, one: Worker, other: Worker, clock: Time
    ) -> None:
        await one.report({"a1": ("ada", 1)})
        await other.report({"a1": ("ada", 2)})
        assert not await presence.forget_pages(one.name)
        assert not await presence.forget_pages(one.name)
        assert not await presence.forget_pages("cc3")
        assert await presence.pages_of(["a1"]) == {"a1": 2}
        one.number += 1
        await clock.advance(1)
        assert await one.again() is None

    async def test_who_is_to_be_told_of_is_left_to_a_worker_that_tells_for_a_while(
        self, presence: PresenceStore, clock: Time
    ) -> None:
        silent = Worker(presence, "cc3", tells=False)
        for seconds, told in ((GONE_KEPT - 5, ["ada"]), (GONE_KEPT + 5, [])):
            found = await silent.report({"a1": ("ada", 1)})
            assert not found.online
            await silent.report({"a1": ("ada", 0)})
            for _ in range(4):
                await clock.advance((GRACE + seconds) / 4)
                silent = Worker(presence, f"{silent.name}c", tells=False)
                assert not (await silent.report()).offline
            teller = Worker(presence, f"dd{int(seconds)}")
            assert list((await teller.report()).offline) == told

    async def test_it_is_told_when_the_next_grace_is_over(self, one: Worker, clock: Time) -> None:
        await one.report({"a1": ("ada", 1)})
        gone = await one.report({"a1": ("ada", 0)})
        assert gone.due == about(LEASE), "its own lease"
        await clock.advance(25)
        assert (await one.report()).due == about(GRACE - 25)

    @pytest.mark.parametrize("user", ODD.values(), ids=ODD)
    async def test_a_user_can_have_any_name(
        self, presence: PresenceStore, one: Worker, user: str, clock: Time
    ) -> None:
        assert list((await one.report({"a1": (user, 1), "b1": ("bob", 1)})).online) == [
            user,
            "bob",
        ]
        assert list(await presence.online([user, user + "x", "ada"], GRACE)) == [user]
        await one.report({"a1": (user, 0)})
        await clock.advance(25)
        await one.report()
        await clock.advance(25)
        assert list((await one.report()).offline) == [user]

    async def test_many_are_asked_about_at_once(self, presence: PresenceStore, one: Worker) -> None:
        many = 2 * MOST_REPORTED + 1
        for at in range(0, many, MOST_REPORTED):
            numbers = range(at, min(many, at + MOST_REPORTED))
            await one.report({f"{number:02x}id": (f"user {number}", 1) for number in numbers})
        users = [f"user {number}" for number in range(many + 10)]
        assert set(await presence.online(users, GRACE)) == set(users[:many])
        assert (
            sum((await presence.pages_of([f"{it:02x}id" for it in range(many)])).values()) == many
        )
        assert await presence.count_pages(GRACE) == Counts(many, many, many)
        assert await presence.online([], GRACE) == []
        assert await presence.pages_of([]) == {}
