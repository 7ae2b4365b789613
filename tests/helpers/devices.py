"""A user's sessions, as their page asks for them, in process."""

from __future__ import annotations

from typing import Any

from quart import Response

from quart_idle import Session
from tests.helpers.site import OWN, Browser, Site, ask

PATH = "/_idle/sessions"

UNKNOWN_ID = "0" * 64

# What can be asked of the routes.
METHODS = [("GET", ""), ("HEAD", ""), ("DELETE", f"/{UNKNOWN_ID}"), ("DELETE", "?others")]


def own_id(session: Session) -> str | None:
    return session.id


async def id_of(browser: Browser) -> str:
    id = (await browser.visit(own_id)).value
    assert isinstance(id, str)
    return id


async def devices(here: Site, many: int, user: str = "ada") -> list[Browser]:
    """A user's browsers, in each of which they are signed in."""
    return [await here.signed_in(user, number=number) for number in range(many)]


async def listed(browser: Browser, query: str = "") -> list[dict[str, Any]]:
    """The sessions that a browser is told of."""
    answer = await browser.client.get(PATH + query)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = await answer.get_json()
    return found


async def ids(browser: Browser, query: str = "") -> list[str]:
    return [one["id"] for one in await listed(browser, query)]


async def delete(browser: Browser, which: str, **headers: str) -> Response:
    """What is answered where a browser ends one of its user's sessions (`/id`), or `?others`."""
    return await browser.client.delete(PATH + which, headers={**OWN, **headers})


async def alive(*browsers: Browser) -> list[bool]:
    return [(await one.copy().visit(lambda s: s.user_id)).value is not None for one in browsers]


async def said(browser: Browser, method: str, which: str) -> Response:
    """What is answered to a request of the application's own page."""
    return await ask(browser, method, f"sessions{which}", headers=OWN)


async def every_answer(browser: Browser) -> list[Response]:
    """What is said to whatever can be asked."""
    return [await said(browser, *what) for what in METHODS]
