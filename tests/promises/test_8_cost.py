"""Promise 8: what requests and open pages cost, in calls of the store."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Blueprint

from quart_idle import Session
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import Do, end, look, put, regenerate, session, sign_in, why
from tests.helpers.site import MakeSite, Site
from tests.helpers.sockets import open_page


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


# Open pages.


async def test_an_open_page_costs_a_few_store_writes_an_hour_and_not_one_a_ping(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR / 2, closed_timeout=None)
    browser = await here.signed_in(a=1)
    async with open_page(browser) as page:
        await clock.advance(HOUR)
        assert page.pings >= HOUR / 25 - 1
        assert page.kinds() == ["state"]
        assert 1 <= here.store.calls.count("renew") <= 20
    assert (await browser.visit(look)).value == {"a": 1}
