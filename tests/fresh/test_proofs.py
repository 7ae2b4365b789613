"""When a user last proved who they are: `session.authenticated_at`, `session.authenticated()`."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest

from quart_idle import Session, SessionEnded
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.devices import id_of
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, start_anew, why
from tests.helpers.proofs import (
    DURING,
    HELD,
    ids,
    prove,
    proved,
    proves_after_a_change_of_token,
    proves_while,
    proves_while_another_signs_in,
    proves_while_it_ends,
)
from tests.helpers.site import MakeSite, Site


def close(moment: float) -> Any:
    return pytest.approx(moment, abs=0.5)


async def test_a_proof_counts_from_the_sign_in_and_then_from_the_last_proof(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = here.browser()
    await browser.visit(put(a=1))
    assert (await browser.visit(lambda s: s.authenticated_at)).value is None
    await clock.advance(MINUTE)
    await browser.visit(sign_in())
    assert (await browser.visit(proved)).value == ("ada", close(MINUTE))
    await clock.advance(MINUTE)
    await browser.visit(prove)
    await clock.advance(MINUTE)
    assert (await browser.visit(proved)).value == ("ada", close(2 * MINUTE))
    at = (await browser.visit(lambda s: s.authenticated_at)).value
    assert at.tzinfo is UTC
    (info,) = await here.idle.sessions.of("ada")
    assert info.authenticated_at == at


@pytest.mark.parametrize("do", [look, put(a=2), regenerate, lambda s: s.pop("a"), sign_in("ada")])
async def test_nothing_but_a_proof_makes_one(site: MakeSite, clock: Clock, do: Do) -> None:
    browser = await site(timeout=HOUR).signed_in(a=1)
    await clock.advance(MINUTE)
    await browser.visit(do)
    await clock.advance(MINUTE)
    assert (await browser.visit(proved)).value == ("ada", close(0))


async def test_to_clear_and_sign_in_again_is_a_proof(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    await clock.advance(MINUTE)

    def do(session: Session) -> None:
        session.clear()
        session.user_id = "ada"

    await browser.visit(do)
    assert (await browser.visit(proved)).value == ("ada", close(MINUTE))
    assert len(await ids(here)) == 1


async def test_a_proof_is_of_the_same_session_under_a_new_token(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR, lifetime=HOUR)
    browser = await here.signed_in(a=1)
    old = browser.copy()
    created = (await browser.visit(lambda s: s.created_at)).value
    await clock.advance(MINUTE)
    answer = await browser.visit(prove)
    assert answer.cookie is not None
    assert browser.token != old.token
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("ada", {"a": 1})
    found = (await browser.visit(lambda s: (s.created_at, s.expires_at))).value
    # It prolongs nothing: the lifetime counts from the sign-in.
    assert found == (created, created + timedelta(seconds=HOUR))
    assert (await old.visit(why)).value == "regenerated"
    assert await ids(here) == [await id_of(browser)]


async def test_several_proofs_in_a_request_are_one_change_of_the_token(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    def do(session: Session) -> None:
        session.authenticated()
        session["a"] = 2
        session.regenerate()
        session.authenticated()

    await browser.visit(do)
    assert here.store.calls == ["load", "regenerate"]
    assert (await browser.visit(look)).value == {"a": 2}


async def test_a_view_sees_a_proof_before_it_is_saved_and_after(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    await clock.advance(MINUTE)

    async def do(session: Session) -> list[Any]:
        seen = [proved(session)]
        session.authenticated()
        seen.append(proved(session))
        await session.save()
        await clock.advance(MINUTE)
        seen.append(proved(session))
        await session.reload()
        return [*seen, proved(session)]

    moments = [at for _, at in (await browser.visit(do)).value]
    assert moments == [close(0), close(MINUTE), close(MINUTE), close(MINUTE)]


async def test_a_sign_in_is_seen_by_the_view_that_made_it(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)

    async def do(session: Session) -> list[Any]:
        session.user_id = "ada"
        seen: list[Any] = [session.authenticated_at]  # there is no session yet
        await session.save()
        seen.append(proved(session))
        await clock.advance(MINUTE)
        seen.append(proved(session))
        session.user_id = "bob"
        seen.append(proved(session))
        session.user_id = None
        return [*seen, session.authenticated_at]

    seen = (await here.browser().visit(do)).value
    assert seen == [None, ("ada", close(0)), ("ada", close(0)), ("bob", close(MINUTE)), None]


@pytest.mark.parametrize("before", [None, put(a=1), sign_in(None, a=1), start_anew, end()])
async def test_a_proof_of_nobody_is_an_error_that_changes_nothing(
    site: MakeSite, before: Do | None
) -> None:
    here = site()
    browser = here.browser()
    if before is not None:
        await browser.visit(before)
    token = browser.token

    def do(session: Session) -> None:
        with pytest.raises(RuntimeError, match="nobody is signed in"):
            session.authenticated()

    assert (await browser.visit(do)).status == 200
    assert browser.token == token


async def test_a_proof_goes_with_the_user(site: MakeSite, clock: Clock) -> None:
    browser = await site(timeout=HOUR).signed_in(a=1)

    def do(session: Session) -> None:
        session.authenticated()
        session.user_id = None

    await browser.visit(do)
    assert (await browser.visit(lambda s: (s.authenticated_at, dict(s)))).value == (None, {"a": 1})
    await clock.advance(MINUTE)
    await browser.visit(sign_in())
    assert (await browser.visit(proved)).value == ("ada", close(MINUTE))


@pytest.mark.parametrize("then", [Session.clear, end("gone")])
async def test_an_end_after_a_proof_is_an_end(site: MakeSite, then: Do) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    def do(session: Session) -> None:
        session.authenticated()
        then(session)

    await browser.visit(do)
    assert await ids(here) == []
    assert browser.token in (None, "")


async def test_a_proof_without_a_response_to_carry_the_token_is_an_error(
    site: MakeSite, clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in()
    refused = []

    async def do(session: Session) -> None:
        session.authenticated()
        with pytest.raises(RuntimeError, match="needs a new cookie") as caught:
            await session.save()
        refused.append(caught)

    headers = {"Cookie": f"session={browser.token}"}
    async with browser.client.websocket("/socket", headers=headers, scope_base={"do": do}):
        await clock.advance(1)
    assert len(refused) == 1


async def test_who_was_signed_in_before_the_user_s_key_was_configured_proves_nothing_by_it(
    site: MakeSite, clock: Clock
) -> None:
    former = site(timeout=HOUR)
    browser = former.browser()
    await browser.visit(put(user="ada"))
    await clock.advance(MINUTE)
    here = site(timeout=HOUR, user_key="user", store=former.store)
    later = here.browser(browser.token)
    assert (await later.visit(proved)).value == ("ada", close(0))
    await clock.advance(MINUTE)
    assert (await later.visit(proved)).value == ("ada", close(0))
    await later.visit(prove)
    assert (await later.visit(proved)).value == ("ada", close(2 * MINUTE))


# At once.


@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("during", DURING.values(), ids=DURING)
async def test_a_proof_loses_nothing_and_makes_no_second_session(
    site: MakeSite, during: Do, held: str
) -> None:
    await proves_while(site, during, held, first=True)


@pytest.mark.parametrize(("during", "held"), [("save", "save"), ("token", "regenerate")])
async def test_a_proof_meanwhile_loses_nothing_and_makes_no_second_session(
    site: MakeSite, during: str, held: str
) -> None:
    await proves_while(site, DURING[during], held, first=False)


@pytest.mark.parametrize("held", ["view", "load after", "regenerate"])
async def test_a_proof_brings_no_session_back(site: MakeSite, held: str) -> None:
    await proves_while_it_ends(site, held)


@pytest.mark.parametrize("held", ["view", "regenerate"])
async def test_a_proof_is_none_of_another_user_who_signed_in_meanwhile(
    site: MakeSite, held: str
) -> None:
    await proves_while_another_signs_in(site, held)


async def test_a_proof_that_comes_after_a_change_of_the_token_is_none_of_who_has_that(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in(a=1)
    old = browser.copy()

    async def do(session: Session) -> None:
        await browser.visit(regenerate)
        await clock.advance(MINUTE)
        session.authenticated()

    assert (await old.visit(do)).cookie is None
    assert (await browser.visit(proved)).value == ("ada", close(0))
    await browser.visit(prove)  # as who is asked once more
    assert (await browser.visit(proved)).value == ("ada", close(MINUTE))


async def test_a_copy_of_the_cookie_gains_no_proof_by_a_change_of_the_token(
    site: MakeSite, clock: Clock
) -> None:
    await proves_after_a_change_of_token(site, lambda: clock.advance(MINUTE))


async def test_a_proof_of_a_session_that_is_over_by_then_is_told(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        await browser.visit(end())
        session.authenticated()
        with pytest.raises(SessionEnded):
            await session.save()

    assert (await browser.copy().visit(do)).cookie is None


@pytest.mark.parametrize("after", [False, True])
async def test_a_proof_whose_answer_is_lost_is_none_of_the_old_token(
    site: MakeSite, clock: Clock, after: bool
) -> None:
    here: Site = site(timeout=HOUR, store_timeout=1)
    browser = await here.signed_in(a=1)
    await clock.advance(MINUTE)

    def do(session: Session) -> None:
        session.authenticated()
        session["a"] = 2
        here.store.hold("regenerate", after=after)

    answer = await browser.visit(do)
    assert (answer.status, answer.cookie) == (503, None)
    await clock.advance(MINUTE)
    assert (await browser.visit(proved)).value == ("ada", close(0))
    assert (await browser.visit(look)).value == {"a": 1}
    await browser.visit(prove)
    assert (await browser.visit(proved)).value[1] > MINUTE
