"""Users who prove who they are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from quart_idle import Session
from tests.helpers.devices import id_of
from tests.helpers.handlers import Do, end, put, regenerate, sign_in
from tests.helpers.overlapping import cross
from tests.helpers.site import Browser, MakeSite, Site


def prove(session: Session) -> None:
    """As a view that has checked a password."""
    session.authenticated()


def proved(session: Session) -> tuple[str | None, float]:
    """The user, and when they last proved who they are: in seconds since the session's making."""
    at, created = session.authenticated_at, session.created_at
    assert at is not None
    assert created is not None
    return session.user_id, (at - created) / timedelta(seconds=1)


async def ids(here: Site, user: str = "ada") -> list[str]:
    return [one.id for one in await here.idle.sessions.of(user)]


async def newest(here: Site, browser: Browser, *answers: Any) -> Browser:
    """The browser with the newest token: of several, the one that names a living session."""
    tokens = [browser.token, *(one.cookie["value"] for one in answers if one.cookie)]
    found = [here.browser(token) for token in dict.fromkeys(tokens) if token]
    (living,) = [one for one in found if (await one.visit(lambda s: s.user_id)).value is not None]
    return living


# A proof, and what another request of the browser does meanwhile; at which call it is held.
DURING: dict[str, Do] = {"save": put(b=2), "token": regenerate, "proof": prove}
HELD = ["view", "load after", "regenerate"]


async def proves_while(make: MakeSite, during: Do, held: str, *, first: bool) -> None:
    """Two requests at once: there is one session after it, with all that was set."""
    here = make()
    browser = await here.signed_in(a=1)
    one, other = (prove, during) if first else (during, prove)
    answers = await cross(here, browser, one, other, held=held)
    assert [answer.status for answer in answers] == [200, 200]
    living = await newest(here, browser, *answers)
    assert await ids(here) == [await id_of(living)]
    session = (await living.visit(dict)).value
    assert session == {"a": 1} | ({"b": 2} if during is DURING["save"] else {})


async def proves_after_a_change_of_token(
    make: MakeSite, pause: Callable[[], Awaitable[object]]
) -> None:
    """Whoever changed the token may have had a copy of the cookie, and has no proof by it.

    Args:
        make: makes the application.
        pause: lets some time pass.
    """
    here = make()
    browser = await here.signed_in(a=1)
    thief = browser.copy()
    before = (await thief.visit(proved)).value

    async def do(session: Session) -> Any:
        await thief.visit(regenerate)
        await pause()
        session["b"] = 2
        session.authenticated()
        await session.save()
        return proved(session)

    answer = await browser.copy().visit(do)
    assert (answer.status, answer.cookie, answer.value) == (200, None, before)
    assert (await thief.visit(proved)).value == before
    assert (await thief.visit(dict)).value == {"a": 1, "b": 2}
    assert await ids(here) == [await id_of(thief)]


async def proves_while_it_ends(make: MakeSite, held: str) -> None:
    here = make()
    browser = await here.signed_in(a=1)
    late, _ = await cross(here, browser, prove, end(), held=held)
    assert await ids(here) == []
    for token in {browser.token, late.cookie and late.cookie["value"]} - {None, ""}:
        assert (await here.browser(token).visit(lambda s: s.user_id)).value is None


async def proves_while_another_signs_in(make: MakeSite, held: str) -> None:
    here = make()
    browser = await here.signed_in(a=1)
    late, _ = await cross(here, browser, prove, sign_in("bob"), held=held)
    assert late.cookie is None
    assert (await ids(here), await ids(here, "bob")) == ([], [await id_of(browser)])
