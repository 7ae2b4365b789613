"""Cookies, caching and cost: what goes out with a response, and what a request costs the store."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Response

from quart_idle import Session
from tests.helpers.clock import DAY, MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, why
from tests.helpers.site import MakeSite


def permanently(**data: Any) -> Do:
    def do(session: Session) -> None:
        session.permanent = True
        session.update(data)

    return do


# When.


@pytest.mark.parametrize(
    "read",
    [
        look,
        len,
        bool,
        why,
        lambda session: "a" in session,
        lambda session: session.get("a"),
        lambda session: session.pop("a", None),
        lambda session: session.new,
        lambda session: session.id,
        lambda session: session.user_id,
        lambda session: session.permanent,
        lambda session: session.modified,
        lambda session: session.timeout,
        lambda session: session.remaining,
        lambda session: session.clear(),
        lambda session: session.setdefault("_permanent", True),
    ],
)
async def test_reading_creates_nothing_and_sets_no_cookie_and_varies(
    site: MakeSite, read: Do
) -> None:
    here = site()
    answer = await here.browser().visit(read)
    assert answer.cookie is None
    assert answer.headers["Vary"] == "Cookie"
    assert here.store.calls == []


async def test_a_response_whose_session_was_not_touched_does_not_vary(site: MakeSite) -> None:
    here = site()
    for browser in (here.browser(), await here.signed_in()):
        assert "Vary" not in (await browser.visit()).headers


@pytest.mark.parametrize(
    ("own", "vary"),
    [
        ("Accept-Encoding", {"accept-encoding", "cookie"}),
        ("cookie", {"cookie"}),
        ("Accept, Cookie", {"accept", "cookie"}),
        ("*", None),
    ],
)
async def test_what_the_application_varies_by_is_kept(
    site: MakeSite, own: str, vary: set[str] | None
) -> None:
    def do(session: Session) -> Response:
        len(session)
        return Response("", headers={"Vary": own})

    answer = await site().browser().visit(do)
    told = {item.strip().lower() for item in ",".join(answer.headers.getlist("Vary")).split(",")}
    assert told == vary if vary else "*" in told


@pytest.mark.parametrize("do", [look, put(a=2), permanently(a=2), sign_in("ada"), None])
async def test_an_ordinary_request_sets_no_cookie_so_that_pages_can_be_cached(
    site: MakeSite, do: Do | None
) -> None:
    browser = site().browser()
    await browser.visit(sign_in("ada", _permanent=True))
    answer = await browser.visit(do)
    assert answer.cookie is None
    assert "Cache-Control" not in answer.headers


@pytest.mark.parametrize(
    ("before", "do"),
    [
        (None, put(a=1)),
        (None, sign_in("ada")),
        (put(a=1), sign_in("ada")),
        (put(a=1), regenerate),
        (put(a=1), end()),
        (put(a=1), Session.clear),
    ],
)
async def test_a_response_with_a_cookie_is_not_to_be_stored(
    site: MakeSite, before: Do | None, do: Do
) -> None:
    def cached(session: Session) -> Response:
        do(session)
        return Response("", headers={"Cache-Control": "public, max-age=60"})

    browser = site().browser()
    await browser.visit(before)
    answer = await browser.visit(cached)
    assert answer.cookie is not None
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Vary"] == "Cookie"


# What.


SAFE = {"name": "session", "httponly": "", "path": "/", "samesite": "Lax"}


@pytest.mark.parametrize(
    ("scheme", "config", "attributes"),
    [
        ("http", {}, SAFE),
        ("https", {}, {**SAFE, "secure": ""}),
        ("http", {"SESSION_COOKIE_SECURE": True}, {**SAFE, "secure": ""}),
        ("http", {"SESSION_COOKIE_NAME": "mine"}, {**SAFE, "name": "mine"}),
        ("http", {"SESSION_COOKIE_SAMESITE": "Strict"}, {**SAFE, "samesite": "Strict"}),
        ("http", {"SESSION_COOKIE_SAMESITE": "None"}, {**SAFE, "samesite": "None"}),
        ("http", {"SESSION_COOKIE_PATH": "/below"}, {**SAFE, "path": "/below"}),
        ("http", {"APPLICATION_ROOT": "/root"}, {**SAFE, "path": "/root"}),
        ("http", {"SESSION_COOKIE_DOMAIN": "x.example"}, {**SAFE, "domain": "x.example"}),
        ("https", {"SESSION_COOKIE_PARTITIONED": True}, {**SAFE, "secure": "", "partitioned": ""}),
        (
            "http",
            {"SESSION_COOKIE_HTTPONLY": False},
            {key: value for key, value in SAFE.items() if key != "httponly"},
        ),
    ],
)
async def test_a_cookie_s_attributes_are_safe_where_the_application_left_them_alone(
    site: MakeSite, scheme: str, config: dict[str, Any], attributes: dict[str, str]
) -> None:
    here = site(config=config)
    cookie = (await here.browser().visit(put(a=1), scheme=scheme)).cookie
    assert cookie is not None
    token = cookie.pop("value")
    assert cookie == attributes

    headers = {"Cookie": f"{cookie['name']}={token}"}
    deleted = (await here.browser().visit(end(), scheme=scheme, headers=headers)).cookie
    assert deleted is not None, "a cookie is deleted only by one with the same attributes"
    assert deleted.pop("max-age") == "0"
    assert deleted.pop("expires").startswith("Thu, 01 Jan 1970")
    assert deleted == {**attributes, "value": ""}


async def test_the_cookie_of_a_session_that_is_not_permanent_lasts_as_long_as_the_browser(
    site: MakeSite,
) -> None:
    cookie = (await site(lifetime=DAY).browser().visit(put(a=1))).cookie
    assert cookie is not None
    assert not {"max-age", "expires"} & cookie.keys()


@pytest.mark.parametrize(
    ("options", "age", "lasts"),
    [
        ({"timeout": MINUTE}, 0, 400 * DAY),
        ({"timeout": MINUTE}, 30, 400 * DAY),
        ({"timeout": DAY, "lifetime": DAY}, 0, DAY),
        ({"timeout": DAY, "lifetime": DAY}, DAY / 4, DAY * 3 / 4),
        ({"timeout": DAY, "lifetime": 500 * DAY}, 0, 400 * DAY),
    ],
)
async def test_a_permanent_session_s_cookie_lasts_as_long_as_the_session_can(
    site: MakeSite, clock: Clock, options: Any, age: float, lasts: float
) -> None:
    browser = site(**options).browser()
    answer = await browser.visit(permanently(a=1))
    if age:
        await clock.advance(age)
        answer = await browser.visit(regenerate)
    assert answer.cookie is not None
    assert int(answer.cookie["max-age"]) == pytest.approx(lasts, abs=1)


async def test_a_token_is_256_random_bits_and_told_to_nobody_but_the_cookie(
    site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    here = site()
    tokens = {(await here.signed_in()).token or "" for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}
    assert not any(token in caplog.text for token in tokens)


async def test_the_cookie_s_name_is_read_once(site: MakeSite) -> None:
    here = site()
    here.app.config["SESSION_COOKIE_NAME"] = "later"
    browser = await here.signed_in()
    assert browser.token is not None
    assert (await browser.visit(lambda session: session.user_id)).value == "ada"
    state = await browser.client.get("/_idle/state")
    assert state.status_code == 200
    interface = here.app.session_interface
    assert interface.get_cookie_name(here.app) == "session"
