"""`QUART_IDLE_MAX_SESSIONS`: how many sessions a user may have, and what one more does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from quart import jsonify

from quart_idle import Session, TooManySessions
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look, put, session, sign_in, why
from tests.helpers.site import Browser, MakeSite
from tests.helpers.sockets import Closed, Socket, open_socket


async def until_closed(socket: Socket) -> None:
    while True:  # it may be pinged before
        await socket.receive()


async def user_of(browser: Browser) -> str | None:
    user: str | None = (await browser.copy().visit(lambda session: session.user_id)).value
    return user


async def test_the_oldest_session_goes_at_once_with_its_pages(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR, max_sessions=2)
    phone, laptop = await here.signed_in(), await here.signed_in()
    await clock.advance(MINUTE)
    async with open_socket(laptop.copy()) as socket:
        assert (await socket.receive())["type"] == "state"
        await clock.advance(5)
        await phone.visit(look)  # more lately than the laptop
        await clock.advance(5)
        tablet = await here.signed_in()
        with pytest.raises(Closed) as closed:
            await until_closed(socket)
    assert (closed.value.code, closed.value.reason) == (4401, "limit")
    assert [await user_of(one) for one in (phone, laptop, tablet)] == ["ada", None, "ada"]
    assert (await laptop.copy().visit(why)).value == "limit"


async def test_signing_in_again_in_a_browser_ends_its_own_former_session_and_nobody_else_s(
    site: MakeSite, clock: Clock
) -> None:
    here = site(max_sessions=2)
    phone, laptop = await here.signed_in(), await here.signed_in()

    def again(session: Session) -> None:
        session.clear()
        session.user_id = "ada"

    for _ in range(3):
        await clock.advance(MINUTE)
        await laptop.visit(again)
    assert [await user_of(one) for one in (phone, laptop)] == ["ada", "ada"]


async def test_users_do_not_count_each_other(site: MakeSite) -> None:
    here = site(max_sessions=1)
    ada, bob, visitor = await here.signed_in(), await here.signed_in("bob"), here.browser()
    await visitor.visit(put(a=1))
    assert [await user_of(one) for one in (ada, bob)] == ["ada", "bob"]
    assert (await visitor.visit(look)).value == {"a": 1}


async def test_a_user_that_a_key_names_counts(site: MakeSite) -> None:
    here = site(max_sessions=1, user_key="user")
    first, second = here.browser(), here.browser()
    await first.visit(put(user="ada"))
    await second.visit(put(user="ada"))
    assert [await user_of(one) for one in (first, second)] == [None, "ada"]


@pytest.mark.parametrize("policy", ["end oldest", "refuse"])
async def test_sessions_of_before_the_key_was_configured_go_on_until_their_user_signs_in(
    site: MakeSite, policy: Any
) -> None:
    before = site()
    tokens = []
    for _ in range(3):
        browser = before.browser()
        await browser.visit(put(user="ada"))
        tokens.append(browser.token)
    here = site(user_key="user", max_sessions=1, max_sessions_policy=policy, store=before.store)
    for token in tokens:
        assert (await here.browser(token).visit(lambda s: s.user_id)).value == "ada"
    assert len(await here.idle.sessions.of("ada")) == 3
    answer = await here.browser().visit(put(user="ada"))
    refused = policy == "refuse"
    assert (answer.status, len(await here.idle.sessions.of("ada"))) == (
        (409, 3) if refused else (200, 1)
    )


# One more is refused.


async def test_one_more_is_a_409_without_a_cookie_and_whoever_is_there_stays(
    site: MakeSite,
) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse")
    phone, laptop = await here.signed_in(), here.browser()
    answer = await laptop.visit(sign_in())
    assert (answer.status, answer.cookie) == (409, None)
    assert await user_of(phone) == "ada"
    assert len(await here.idle.sessions.of("ada")) == 1
    await phone.visit(end())
    assert (await laptop.visit(sign_in())).status == 200
    assert await user_of(laptop) == "ada"


async def test_who_had_something_in_the_session_has_it_still(site: MakeSite) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse")
    await here.signed_in()
    visitor = here.browser()
    await visitor.visit(put(cart=1))
    answer = await visitor.visit(sign_in(other=2))
    assert (answer.status, answer.cookie) == (409, None)
    assert (await visitor.visit(look)).value == {"cart": 1}
    bob = await here.signed_in("bob")
    assert (await bob.visit(sign_in("ada"))).status == 409
    assert await user_of(bob) == "bob"


async def test_the_application_answers_in_its_own_words_where_nobody_is_signed_in(
    site: MakeSite,
) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse")
    await here.signed_in()

    @here.app.errorhandler(TooManySessions)
    async def words(_: Any) -> Any:
        return jsonify(user=session.user_id, cart=session.get("cart")), 409

    visitor = here.browser()
    await visitor.visit(put(cart=1))
    answer = await visitor.visit(sign_in(cart=2))
    assert answer.status == 409
    assert await answer.response.get_json() == {"user": None, "cart": 1}


async def test_a_view_can_save_see_it_and_end_another_one_first(site: MakeSite) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse")
    phone, laptop = await here.signed_in(), here.browser()

    async def sign_in_here(session: Session) -> None:
        session.user_id = "ada"
        with pytest.raises(TooManySessions):
            await session.save()
        await here.idle.sessions.end_all("ada")
        await session.save()

    for _ in range(2):
        assert (await laptop.visit(sign_in_here)).cookie is not None
        assert [await user_of(one) for one in (phone, laptop)] == [None, "ada"]
        phone, laptop = laptop, here.browser()
        await laptop.visit(put(a=1))  # the second time its token changes


async def test_a_view_that_gives_up_goes_on_as_before(site: MakeSite) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse")
    await here.signed_in()
    visitor = here.browser()
    await visitor.visit(put(cart=1))

    async def try_it(session: Session) -> None:
        session.user_id = "ada"
        with pytest.raises(TooManySessions):
            await session.save()
        await session.reload()
        session["said"] = True

    assert (await visitor.visit(try_it)).status == 200
    assert (await visitor.visit(look)).value == {"cart": 1, "said": True}
    assert await user_of(visitor) is None


# As the guide has it.


async def signed_in_as(name: str) -> bool:
    session.clear()
    session.user_id = name
    try:
        await session.save()
    except TooManySessions:
        await session.reload()  # nobody is signed in
        return False
    return True


async def test_a_view_answers_by_itself_as_the_guide_says(site: MakeSite) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse")
    await here.signed_in()
    visitor = here.browser()
    answer = await visitor.visit(lambda _: signed_in_as("ada"))
    assert (answer.status, answer.value, answer.cookie) == (200, False, None)
    assert (await visitor.visit(lambda _: signed_in_as("bob"))).value is True
    assert await user_of(visitor) == "bob"


async def test_a_sign_in_whose_answer_was_lost_takes_no_place(site: MakeSite, clock: Clock) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse", store_timeout=1)
    gate = here.store.hold("create", after=True)
    first = asyncio.ensure_future(here.browser().visit(sign_in("ada")))
    await gate.reached.wait()
    await clock.advance(2)
    assert (await first).status == 503
    gate.open()
    await clock.advance(3)
    second = await here.signed_in()
    assert await user_of(second) == "ada"


async def test_what_answers_a_refused_sign_in_sees_no_user_though_the_store_goes_away(
    site: MakeSite,
) -> None:
    here = site(max_sessions=1, max_sessions_policy="refuse")
    await here.signed_in()
    visitor = here.browser()
    await visitor.visit(put(a=1))
    load = here.store._inner.load
    seen: list[str | None] = []

    async def answer(_: Exception) -> tuple[str, int]:
        seen.append(session.user_id)
        return "", 409

    async def fail(*_: Any) -> Any:
        raise OSError

    def lose(session: Session) -> None:
        session.user_id = "ada"
        here.store._inner.load = fail  # type: ignore[method-assign, assignment]

    here.app.register_error_handler(TooManySessions, answer)
    assert (await visitor.visit(lose)).status == 503
    here.store._inner.load = load  # type: ignore[method-assign]
    assert (await visitor.visit(lambda session: session.user_id)).value is None
    assert seen == []
