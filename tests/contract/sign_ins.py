"""How the user of a session signed in: when they last proved who they are, and where."""

from __future__ import annotations

from typing import Any

import pytest

from quart_idle import Store
from quart_idle.policy import SignOfLife
from quart_idle.stores.base import NOW, Attributes, Change, Device, SignIn, UserStore
from tests.contract.common import HERE, PAGE, Bound, Time, about, change, record

PHONE = Device("192.0.2.7", "a phone")


async def sign_in(store: Store, id: str = "id") -> SignIn:
    """How the user of a living session signed in."""
    found = (await record(store, id)).sign_in
    assert found is not None
    return found


class SignIns(Bound):
    @staticmethod
    async def signed_in(store: Store) -> float:
        """The moment at which `ada` signed in, on her phone."""
        await store.create("id", change({"a": b"1"}, user_id="ada", device=PHONE))
        found = await record(store)
        assert found.sign_in == SignIn(about(found.clocks.created), PHONE)
        return found.sign_in.authenticated

    async def test_a_session_without_a_user_has_no_sign_in(self, bound: Store) -> None:
        await bound.create("id", change({"a": b"1"}))
        assert (await record(bound)).sign_in is None
        # Nobody is there to prove anything.
        await bound.save("id", change({"a": b"2"}, authenticated=NOW, device=PHONE))
        assert (await record(bound)).sign_in is None

    @pytest.mark.parametrize("clear", [False, True])
    @pytest.mark.parametrize("user", ["ada", "bob"])
    async def test_signing_in_is_a_proof_whose_session_it_ever_was(
        self, bound: Store, clock: Time, user: str, clear: bool
    ) -> None:
        before = await self.signed_in(bound)
        await clock.advance(10)
        anew = change({"b": b"1"}, user_id=user, clear=clear)
        await bound.regenerate("id", "id-new", anew)
        assert await sign_in(bound, "id-new") == (about(before + 10), Device())

    async def test_a_proof_counts_from_the_sign_in_and_not_from_the_session_s_making(
        self, bound: Store, clock: Time
    ) -> None:
        await bound.create("id", change({"a": b"1"}))
        await clock.advance(10)
        await bound.save("id", change(user_id="ada", device=PHONE))
        found = await record(bound)
        assert found.sign_in == SignIn(about(found.clocks.created + 10), PHONE)

    async def test_nothing_but_a_proof_moves_its_moment(self, bound: Store, clock: Time) -> None:
        moment = await self.signed_in(bound)
        await clock.advance(10)
        await bound.renew({"id": HERE})
        await bound.save("id", change({"a": b"2", "b": None}, timeout=50.0))
        await bound.renew({"id": PAGE})
        await bound.regenerate("id", "id-new", change({"c": b"1"}))
        await bound.save("id", change({"d": b"1"}))
        await bound.renew({"id-new": SignOfLife(0.0, None)})
        assert await sign_in(bound, "id-new") == (moment, PHONE)

    async def test_a_proof_is_of_the_same_session_with_all_that_it_has(
        self, bound: Store, clock: Time
    ) -> None:
        moment = await self.signed_in(bound)
        before = await record(bound)
        await clock.advance(10)
        assert await bound.regenerate("id", "id-new", change(authenticated=NOW))
        found = await record(bound, "id-new")
        assert found.sign_in == (about(moment + 10), PHONE)
        assert found[:3] == before[:3]
        await clock.advance(10)
        # A save is passed on, as ever; so is a proof.
        await bound.save("id", change({"b": b"1"}))
        assert await bound.save("id", change(authenticated=NOW)) == ("id-new", False)
        assert await sign_in(bound, "id-new") == (about(moment + 20), PHONE)

    @pytest.mark.parametrize("attributes", [{}, {"user_id": "bob"}])
    async def test_a_proof_can_be_of_before_and_is_never_of_later(
        self, bound: Store, clock: Time, attributes: Attributes
    ) -> None:
        moment = await self.signed_in(bound)
        await clock.advance(10)
        for given, expected in ((moment + 5, moment + 5), (moment + 500, moment + 10)):
            await bound.save("id", Change({}, {**attributes, "authenticated": given}))
            assert (await sign_in(bound)).authenticated == about(expected)

    @pytest.mark.parametrize("clear", [False, True])
    async def test_it_goes_with_the_user(self, bound: Store, clear: bool) -> None:
        await self.signed_in(bound)
        await bound.save("id", change({"b": b"1"}, user_id=None, clear=clear))
        assert (await record(bound)).sign_in is None
        await bound.save("id", change(user_id="ada"))
        assert (await sign_in(bound)).device == Device()

    async def test_it_stays_as_long_as_the_user(self, bound: Store, clock: Time) -> None:
        moment = await self.signed_in(bound)
        await clock.advance(10)
        await bound.save("id", change({"b": b"1"}, clear=True))
        found = await record(bound)
        assert (found.user_id, found.sign_in) == ("ada", (moment, PHONE))

    async def test_a_proof_of_nobody_s_leaves_a_session_with_nothing(self, bound: Store) -> None:
        await self.signed_in(bound)
        nothing = change({"a": None}, user_id=None, authenticated=NOW)
        assert await bound.save("id", nothing) == ("id", True)

    @pytest.mark.parametrize("text", [None, "", "a" * 10_000, "\ud800", "a\n{b}\x00é"])
    async def test_a_device_is_any_text(self, bound: Store, text: str | None) -> None:
        devices = [Device(text, "browser"), Device("address", text), Device(text, text)]
        for number, device in enumerate(devices):
            await bound.create(f"id{number}", change(user_id="ada", device=device))
            assert (await sign_in(bound, f"id{number}")).device == device

    async def test_no_field_of_the_data_is_taken_for_it(self, bound: Store) -> None:
        moment = await self.signed_in(bound)
        names: Any = dict.fromkeys(
            ["sign_in", "SIGN_IN", "authenticated", "device", "\udcf7", "÷"], b"1"
        )
        await bound.save("id", change(names))
        assert await sign_in(bound) == (moment, PHONE)
        await bound.save("id", change(dict.fromkeys(names)))
        assert await sign_in(bound) == (moment, PHONE)

    async def test_it_is_listed(self, bound: Store, clock: Time) -> None:
        moment = await self.signed_in(bound)
        await clock.advance(10)
        await bound.regenerate("id", "id-new", change({"b": b"1"}))
        await bound.create("other", change(user_id="ada"))
        assert isinstance(bound, UserStore)
        one, other = await bound.sessions_of("ada", 0, 10)
        assert (one.id, one.sign_in) == ("id-new", (moment, PHONE))
        assert (other.id, other.sign_in) == ("other", (about(moment + 10), Device()))
