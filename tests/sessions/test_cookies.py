"""Cookies, caching and cost: what goes out with a response, and what a request costs the store."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Blueprint, Response

from quart_idle import Session
from tests.helpers.clock import DAY, MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, session, sign_in, why
from tests.helpers.site import MakeSite, Site


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


# Cookies that come in.

TOKEN = "a" * 43
MALFORMED = {
    "empty": "",
    "short": TOKEN[:-1],
    "long": TOKEN + "a",
    "oversized": "a" * 100_000,
    "not base64url": "a" * 42 + "=",
    "with a newline": TOKEN + "\\012",
    "half quoted": f'"{TOKEN}',
    "not ASCII": "é" * 43,
    "an id": "0123456789abcdef" * 4,
    "signed": "eyJhIjoxfQ.aW9f7g.c2lnbmF0dXJlLXRoYXQtaXMtbm90LW9uZQ",
    "binary": "\x80\xff" * 22,
    "with a space": "a" * 21 + " " + "a" * 21,
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_token_costs_no_store_call_and_is_never_adopted(
    site: MakeSite, value: str
) -> None:
    here = site()
    headers = {"Cookie": f"session={value}"}
    assert (await here.browser().visit(why, headers=headers)).value is None
    assert (await here.browser().visit(look, headers=headers)).value == {}
    assert here.store.calls == []
    answer = await here.browser().visit(put(a=1), headers=headers)
    assert answer.cookie is not None
    assert answer.cookie["value"] != value
    assert here.store.calls == ["create"]


async def test_an_invented_token_is_ignored_and_never_adopted(site: MakeSite) -> None:
    here = site()
    browser = here.browser(TOKEN)
    answer = await browser.visit(lambda session: (dict(session), session.new, session.ended))
    assert answer.value == ({}, True, "unknown")
    assert answer.cookie is None
    await browser.visit(put(a=1))
    assert browser.token not in (None, TOKEN)
    assert (await here.browser(TOKEN).visit(look)).value == {}


@pytest.mark.parametrize(
    "around",
    [
        "session={}",
        "other=1; session={}; more=2",
        "other=1;session={}",
        "xsession=" + TOKEN + "; session={}",
        "session.x=" + TOKEN + "; session={}",
        "x=session=" + TOKEN + "; session={}",
        "session={}; session=" + TOKEN,
        "broken; =; ;; session={}",
        'session="{}"',
        "other=1; session = {} ; more=2",
    ],
)
async def test_the_cookie_is_found_among_others(site: MakeSite, around: str) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    headers = {"Cookie": around.format(browser.token)}
    assert (await here.browser().visit(look, headers=headers)).value == {"a": 1}


async def test_the_cookie_is_found_in_a_header_of_its_own(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    browser.client.set_cookie("localhost", "other", "1")
    browser.client.set_cookie("localhost", "more", "2")  # each in a header, as HTTP/2 may
    assert (await browser.visit(look)).value == {"a": 1}


# What it costs.


async def nothing(session: Session) -> None:
    pass


@pytest.mark.parametrize(
    ("do", "calls"),
    [
        (look, []),
        (nothing, []),
        (end(), []),
        (regenerate, []),
        (put(a=1), ["create"]),
        (sign_in("ada", a=1), ["create"]),
    ],
)
async def test_a_request_with_no_cookie_costs_nothing_until_it_writes(
    site: MakeSite, do: Do, calls: list[str]
) -> None:
    here = site()
    await here.browser().visit(do)
    assert here.store.calls == calls


def clear_and_sign_in(session: Session) -> None:
    session.clear()
    session.user_id = "bob"


def many_changes(session: Session) -> None:
    session.update({str(number): number for number in range(20)})
    session.timeout = 5
    session.pop("a")


@pytest.mark.parametrize(
    ("do", "calls"),
    [
        (nothing, ["load"]),
        (look, ["load"]),
        (why, ["load"]),
        (put(a=2), ["load", "save"]),
        (many_changes, ["load", "save"]),
        (regenerate, ["load", "regenerate"]),
        (sign_in("bob", b=1), ["load", "regenerate"]),
        (clear_and_sign_in, ["load", "regenerate"]),
        (end(), ["load", "end"]),
        (Session.clear, ["load", "end"]),
    ],
)
async def test_reading_costs_one_store_call_and_writing_two(
    site: MakeSite, do: Do, calls: list[str]
) -> None:
    here = site()
    await (await here.signed_in(a=1, cart=[])).visit(do)
    assert here.store.calls == calls


async def test_renewals_are_gathered_and_written_in_batches(site: MakeSite, clock: Clock) -> None:
    here = site()
    browsers = [await here.signed_in() for _ in range(20)]
    for browser in browsers * 5:
        await browser.visit(look)
    await clock.advance(5)
    assert here.store.calls.count("load") == 100
    assert here.store.calls.count("renew") == 1


@pytest.fixture
def static(site: MakeSite, tmp_path: Any) -> Site:
    """A site with a static file."""
    (tmp_path / "style.css").write_text("body {}")
    here = site()
    here.app.static_folder = str(tmp_path)
    return here


async def test_a_request_for_a_static_file_costs_nothing(static: Site) -> None:
    browser = await static.signed_in()
    answer = await browser.visit(path="/static/style.css")
    assert answer.status == 200
    assert "Vary" not in answer.headers
    await static.clock.advance(5)
    assert static.store.calls == []


async def test_a_hook_that_looks_on_finds_the_session_of_a_request_for_a_static_file(
    static: Site,
) -> None:
    seen: list[Any] = []

    @static.app.before_request
    async def before() -> None:
        seen.append(dict(session))

    browser = await static.signed_in(a=1)
    await browser.visit(path="/static/style.css")
    assert seen[-1] == {"a": 1}


@pytest.mark.parametrize("kind", ["before", "after", "teardown", "url_value_preprocessor"])
async def test_any_hook_that_looks_on_finds_the_session(static: Site, kind: str) -> None:
    seen: list[Any] = []

    def hook(*arguments: Any) -> Any:
        seen.append(dict(session))
        return arguments[0] if kind == "after" else None

    async def async_hook(*arguments: Any) -> Any:
        return hook(*arguments)

    if kind == "url_value_preprocessor":
        static.app.url_value_preprocessor(hook)
    else:
        getattr(static.app, f"{kind}_request")(async_hook)
    browser = await static.signed_in(a=1)
    assert (await browser.visit(path="/static/style.css")).status == 200
    assert seen[-1] == {"a": 1}


async def test_the_page_for_a_file_that_is_not_there_may_look_at_the_session(static: Site) -> None:
    @static.app.errorhandler(404)
    async def missing(_: Exception) -> Any:
        return session["a"], 404

    browser = await static.signed_in(a="here")
    answer = await browser.visit(path="/static/none.css")
    assert answer.status == 404
    assert await answer.response.get_data(as_text=True) == "here"
    assert answer.headers["Vary"] == "Cookie"
    assert static.store.calls == ["load"]
    await browser.visit(path="/static/style.css")
    assert static.store.calls == ["load"], "one that is there costs nothing all the same"


async def test_the_page_for_a_file_that_is_not_there_needs_no_store(static: Site) -> None:
    browser = await static.signed_in()
    static.store.fault = OSError()
    assert (await browser.visit(path="/static/none.css")).status == 404


async def test_a_blueprint_s_static_file_costs_nothing(static: Site) -> None:
    folder = static.app.static_folder
    blueprint = Blueprint("files", "tests", static_folder=folder, url_prefix="/files")
    static.app.register_blueprint(blueprint)
    browser = await static.signed_in()
    path = "/files" + str(blueprint.static_url_path) + "/style.css"
    assert (await browser.visit(path=path)).status == 200
    assert static.store.calls == []


async def test_a_view_that_is_called_static_is_a_view_like_any_other(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=MINUTE)
    blueprint = Blueprint("pages", "tests")

    @blueprint.get("/about")
    async def static() -> Any:
        return dict(session)

    here.app.register_blueprint(blueprint)
    browser = await here.signed_in(a=1)
    for _ in range(3):
        await clock.advance(MINUTE - 1)
        answer = await browser.visit(path="/about")
        assert await answer.response.get_json() == {"a": 1}


@pytest.mark.parametrize("path", ["/_idle/quart-idle.js", "/_idle/state", "/_idle/extend"])
async def test_the_extension_s_own_routes_cost_nothing_without_a_cookie(
    site: MakeSite, path: str
) -> None:
    here = site()
    method = "POST" if path.endswith("extend") else "GET"
    await here.browser().visit(path=path, method=method, headers={"Origin": "http://localhost"})
    assert here.store.calls == []
