"""`@idle.fresh`: views for users who have proved lately who they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from quart import Blueprint, Quart, Response, redirect, url_for, websocket
from quart.testing.connections import WebsocketResponseError

from quart_idle import ConfigError, QuartIdle, ReauthenticationRequired
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look, put, regenerate
from tests.helpers.proofs import ids, prove
from tests.helpers.site import Browser, MakeSite, Site

PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SCRIPT = {"Accept": "*/*"}


def guarded(here: Site, within: timedelta | float = 5 * MINUTE) -> list[str]:
    """Views that want a proof; which of them were called."""
    app, idle = here.app, here.idle
    called: list[str] = []

    @app.route("/async", methods=["GET", "POST"])
    @idle.fresh(within)
    async def own() -> str:
        called.append("async")
        return "done"

    @app.get("/sync")
    @idle.fresh(within)
    def sync() -> str:
        called.append("sync")
        return "done"

    @app.get("/passive/first")
    @idle.passive
    @idle.fresh(within)
    async def passive_first() -> str:
        called.append("passive first")
        return "done"

    @app.get("/passive/last")
    @idle.fresh(within)
    @idle.passive
    async def passive_last() -> str:
        called.append("passive last")
        return "done"

    @app.get("/bound/first/<name>")
    @idle.bound
    @idle.fresh(within)
    async def bound_first(name: str) -> str:
        called.append(name)
        return "done"

    @app.get("/bound/last/<name>")
    @idle.fresh(timedelta(seconds=within) if isinstance(within, float) else within)
    @idle.bound
    async def bound_last(name: str) -> str:
        called.append(name)
        return "done"

    async def socket() -> None:
        called.append("socket")
        await websocket.send("done")

    fresh = idle.fresh(within)(socket)
    app.websocket("/socket/free", endpoint="free")(fresh)
    app.websocket("/socket/bound", endpoint="bound")(idle.bound(fresh))
    return called


VIEWS = ["async", "sync", "passive/first", "passive/last", "bound/first/x", "bound/last/x"]


async def ask(browser: Browser, path: str, method: str = "GET", **headers: str) -> Response:
    call = browser.client.post if method == "POST" else browser.client.get
    return await call(path, headers={**SCRIPT, **headers})


@pytest.mark.parametrize("path", VIEWS)
async def test_a_view_is_called_for_a_fresh_user_only(
    site: MakeSite, clock: Clock, path: str
) -> None:
    here = site(timeout=HOUR)
    called = guarded(here)
    browser = await here.signed_in()
    await clock.advance(5 * MINUTE - 1)
    assert (await ask(browser, f"/{path}")).status_code == 200
    await clock.advance(2)
    assert (await ask(browser, f"/{path}")).status_code == 401
    assert len(called) == 1
    await browser.visit(prove)
    assert (await ask(browser, f"/{path}")).status_code == 200
    assert len(called) == 2


async def test_to_go_on_using_it_or_a_new_token_makes_nobody_fresh(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    guarded(here)
    browser = await here.signed_in()
    for do in (look, put(a=1), regenerate, put(a=2)):
        await clock.advance(2 * MINUTE)
        await browser.visit(do)
    assert (await ask(browser, "/async")).status_code == 401


async def test_a_proof_at_another_worker_counts_by_the_store_s_clock(
    site: MakeSite, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = site(timeout=HOUR)
    other = site(timeout=HOUR, store=one.store)
    guarded(other)
    browser = await one.signed_in()
    monkeypatch.setattr("time.time", lambda: clock() - 30 * 86_400)  # this host's own is wrong
    there = other.browser(browser.token)
    assert (await ask(there, "/async")).status_code == 200
    await clock.advance(5 * MINUTE)
    assert (await ask(there, "/async")).status_code == 401
    await browser.visit(prove)
    there = other.browser(browser.token)
    assert (await ask(there, "/async")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_script_is_told_by_a_401_that_is_ours_and_nobody_is_signed_out(
    site: MakeSite, clock: Clock, method: str
) -> None:
    here = site(timeout=HOUR, sign_in_url="/sign-in")
    called = guarded(here)
    browser = await here.signed_in(a=1)
    await clock.advance(6 * MINUTE)
    for accept in ("*/*", "application/json", ""):
        answer = await ask(browser, "/async", method, Accept=accept)
        assert (answer.status_code, await answer.get_json()) == (401, {"reason": "stale"})
        assert answer.headers["Quart-Idle"] == "1"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
    assert (await browser.visit(look)).value == {"a": 1}
    assert len(await ids(here)) == 1
    assert called == []


@pytest.mark.parametrize("is_over", [False, True])
async def test_who_is_not_signed_in_is_not_fresh(site: MakeSite, is_over: bool) -> None:
    here = site()
    called = guarded(here)
    browser = await here.signed_in() if is_over else here.browser()
    if is_over:
        await browser.copy().visit(end())
    else:
        await browser.visit(put(cart=1))
    answer = await ask(browser, "/async")
    assert (answer.status_code, await answer.get_json()) == (401, {"reason": "stale"})
    assert called == []


@pytest.mark.parametrize(
    ("asked", "back"),
    [
        ("/async", "%2Fasync"),
        ("/async?a=1&b=%26", "%2Fasync%3Fa%3D1%26b%3D%2526"),
        ("/async?next=//evil.example", "%2Fasync%3Fnext%3D%2F%2Fevil.example"),
    ],
)
async def test_a_page_that_is_opened_leads_to_the_sign_in_and_back(
    site: MakeSite, clock: Clock, asked: str, back: str
) -> None:
    here = site(timeout=HOUR, sign_in_url="/sign-in")
    guarded(here)
    browser = await here.signed_in()
    await clock.advance(6 * MINUTE)
    answer = await ask(browser, asked, **PAGE)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/sign-in?next={back}"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example/x", "///evil.example"])
async def test_the_way_back_leads_to_no_other_host(site: MakeSite, clock: Clock, path: str) -> None:
    here = site(timeout=HOUR, sign_in_url="/sign-in")
    app = here.app
    app.url_map.merge_slashes = False

    @app.get("/<path:anything>")
    @here.idle.fresh(MINUTE)
    async def own(anything: str) -> str:
        return anything

    browser = await here.signed_in()
    await clock.advance(2 * MINUTE)
    scope = {"path": path, "raw_path": path.encode()}
    answer = await browser.client.get("/", headers=PAGE, scope_base=scope)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in?next=%2Fevil.example")


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/sign-in?from=a#form", "/sign-in?from=a&next=%2Fasync#form"),
        ("https://id.example/sign-in", "https://id.example/sign-in"),
    ],
)
async def test_the_sign_in_url_is_kept_as_it_is(
    site: MakeSite, clock: Clock, url: str, location: str
) -> None:
    here = site(timeout=HOUR, sign_in_url=url)
    guarded(here)
    browser = await here.signed_in()
    await clock.advance(6 * MINUTE)
    answer = await ask(browser, "/async", **PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, location)


@pytest.mark.parametrize("url", [None, '/sign-in?"<b>'])
async def test_a_form_that_is_sent_is_not_repeated_and_its_user_is_told_so(
    site: MakeSite, clock: Clock, url: str | None
) -> None:
    here = site(timeout=HOUR, sign_in_url=url)
    called = guarded(here)
    browser = await here.signed_in()
    await clock.advance(6 * MINUTE)
    answer = await ask(browser, "/async", "POST", **PAGE)
    text = await answer.get_data(as_text=True)
    assert answer.status_code == 401
    assert "Nothing has been done yet" in text
    assert ("Sign in</a>" in text, "<b>" in text) == (url is not None, False)
    assert called == []


@pytest.mark.parametrize("error", [ReauthenticationRequired, 401])
async def test_the_application_s_own_handler_answers_it(
    site: MakeSite, clock: Clock, error: Any
) -> None:
    here = site(timeout=HOUR)
    guarded(here)

    @here.app.get("/confirm")
    async def confirm() -> str:
        return ""

    @here.app.errorhandler(error)
    async def answer(error: ReauthenticationRequired) -> Any:
        return redirect(url_for("confirm", next=error.back))

    browser = await here.signed_in()
    await clock.advance(6 * MINUTE)
    answered = await ask(browser, "/async?a=1", **PAGE)
    assert answered.headers["Location"] == "/confirm?next=/async?a%3D1"
    answered = await ask(browser, "/async", "POST", **PAGE)
    assert answered.headers["Location"] == "/confirm"


@pytest.mark.parametrize("path", ["/socket/free", "/socket/bound"])
async def test_a_socket_s_handshake_is_refused(site: MakeSite, clock: Clock, path: str) -> None:
    here = site(timeout=HOUR)
    called = guarded(here)
    browser = await here.signed_in()
    headers = {"Cookie": f"session={browser.token}"}
    async with browser.client.websocket(path, headers=headers) as socket:
        assert await socket.receive() == "done"
    await clock.advance(6 * MINUTE)
    with pytest.raises(WebsocketResponseError) as caught:
        async with browser.client.websocket(path, headers=headers) as socket:
            await socket.receive()
    response: Any = caught.value.response
    assert (response.status_code, await response.get_json()) == (401, {"reason": "stale"})
    assert called == ["socket"]


async def test_while_the_store_is_down_nobody_is_asked_to_sign_in(site: MakeSite) -> None:
    here = site(timeout=HOUR)
    called = guarded(here)
    browser = await here.signed_in()
    here.store.fault = OSError()
    assert (await ask(browser, "/async")).status_code == 503
    here.store.fault = None
    assert (await ask(browser, "/async")).status_code == 200
    assert called == ["async"]


async def test_it_costs_no_trip_more(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=HOUR)
    guarded(here)
    browser = await here.signed_in()
    await ask(browser, "/async")
    await clock.advance(6 * MINUTE)
    here.store.calls.clear()
    await ask(browser, "/async")
    assert here.store.calls == ["load"]


# Where it stands, and what it is given.


@pytest.mark.parametrize("route", [Quart.websocket, Quart.get, Blueprint.get])
async def test_a_view_that_is_decorated_above_its_route_is_an_error_at_the_start(
    route: Callable[..., Any],
) -> None:
    app = Quart("tests")
    idle = QuartIdle(app)
    place: Any = Blueprint("some", "tests") if route is Blueprint.get else app

    async def own() -> str:
        return ""

    idle.fresh(60)(route(place, "/own")(own))
    if place is not app:
        app.register_blueprint(place)
    with pytest.raises(ConfigError, match=r"@idle.fresh stands above .*own.*; put it below"):
        await app.startup()


@pytest.mark.parametrize("within", [0, -1, "60", None, True, timedelta(), look, float("nan")])
def test_what_is_no_duration_is_an_error_that_says_what_is_allowed(within: Any) -> None:
    with pytest.raises(ValueError, match=r"fresh\(within\) is .*; allowed: a timedelta or seconds"):
        QuartIdle().fresh(within)


async def test_in_an_application_without_quart_idle_it_is_an_error_that_says_so() -> None:
    async def own() -> str:
        return ""

    view = QuartIdle().fresh(60)(own)
    async with Quart("tests").test_request_context("/"):
        with pytest.raises(RuntimeError, match="sessions are not QuartIdle's"):
            await view()
