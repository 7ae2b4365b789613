"""Open pages in a real browser, under a real hypercorn, with timeouts of seconds."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from contextlib import suppress

import pytest
from playwright.async_api import Page, Route, expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.listings import blocks
from tests.helpers.servers import Serve
from tests.helpers.shown import (
    AWAY,
    OVER,
    cover_in,
    heard,
    is_undisturbed,
    on_top,
    prompt_in,
    veil_in,
)
from tests.helpers.visits import UNTOUCHED, user_of
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A server that can be killed and made to stand still: otherwise that hits only hypercorn's master.
ONE_PROCESS = ("--workers", "0")


async def sign_in(browser: Browser, url: str) -> str:
    """Sign in without a page; the URL of one that the session has."""
    await browser.post(f"{url}/sign-in/ada")
    return f"{url}/page"


async def why_ended(browser: Browser, url: str) -> str | None:
    """Why the session ended, if it did; asking is no sign of life."""
    reason: str | None = (await browser.get(f"{url}/_idle/state")).get("reason")
    return reason


async def send(page: Page, path: str) -> None:
    """A POST request by a page."""
    assert await page.evaluate("(path) => fetch(path, { method: 'POST' }).then((r) => r.ok)", path)


# Presence


async def test_an_open_page_keeps_its_session_alive_beyond_the_timeout(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 3, "warning": 1})
    page = await browser.open(await sign_in(browser, server.url))
    await asyncio.sleep(5)
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"


async def test_a_hidden_page_keeps_its_session_alive_though_its_timers_stand_still(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 3, "warning": 1, "closed_timeout": 2})
    page = await browser.open(await sign_in(browser, server.url))
    await browser.blank()
    await until(lambda: page.evaluate("document.visibilityState === 'hidden'"))
    # As the browser does of its own accord after five minutes, nearly: once a minute.
    await page.evaluate("window.setTimeout = () => 0")
    await asyncio.sleep(5)
    assert await page.evaluate("document.visibilityState") == "hidden"
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"timeout": 3, "warning": 1}, "idle"),
        ({"timeout": 600, "closed_timeout": 2}, "closed"),
    ],
)
async def test_a_closed_page_does_not_and_the_next_visit_is_told_why(
    serve: Serve, browser: Browser, settings: dict[str, float], reason: str
) -> None:
    server = serve(settings)
    page = await browser.open(await sign_in(browser, server.url))
    await asyncio.sleep(1)
    await page.close()
    assert await why_ended(browser, server.url) is None
    assert await until(lambda: why_ended(browser, server.url)) == reason
    visit = await browser.blank(server.url)
    assert f'"ended":"{reason}"' in await visit.content()


# Activity


async def test_with_keepalive_activity_typing_keeps_the_session_alive(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    note = page.get_by_label("Note")
    await note.focus()
    for _ in range(25):
        await page.keyboard.press("a")
        await asyncio.sleep(0.2)
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"
    await expect(note).to_have_value("a" * 25)


async def test_with_keepalive_activity_an_untouched_page_is_warned_and_ended(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    await expect(prompt_in(page)).to_be_visible()
    assert await user_of(browser, server.url) == "ada"
    await expect(cover_in(page)).to_be_visible()
    await expect(cover_in(page)).to_contain_text("because you were not active")
    await expect(prompt_in(page)).to_be_hidden()
    assert await on_top(page) == "quart-idle"
    assert await why_ended(browser, server.url) == "idle"
    warning, ended = await heard(page, "warning", "ended")
    assert ended["at"] - warning["at"] == pytest.approx(1.5, abs=1)


async def test_events_made_by_scripts_are_no_activity(serve: Serve, browser: Browser) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => setInterval(() => {
          const options = { bubbles: true, movementX: 5, key: "a" };
          document.body.dispatchEvent(new KeyboardEvent("keydown", options));
          document.body.dispatchEvent(new PointerEvent("pointerdown", options));
          document.body.dispatchEvent(new PointerEvent("pointermove", options));
          document.body.dispatchEvent(new WheelEvent("wheel", options));
          document.body.style.minHeight = "300vh";
          scrollTo(0, 200 * Math.random());
        }, 50)"""
    )
    await expect(prompt_in(page)).to_be_visible()
    await expect(cover_in(page)).to_be_visible()
    assert await why_ended(browser, server.url) == "idle"


async def test_requests_and_pages_share_one_deadline(serve: Serve, browser: Browser) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    for _ in range(10):
        await browser.get(server.url)
        await asyncio.sleep(0.5)
    assert await is_undisturbed(page)
    await expect(prompt_in(page)).to_be_visible()
    await browser.get(server.url)
    await expect(prompt_in(page)).to_be_hidden()
    assert not await heard(page, "ended")


async def test_staying_in_one_tab_is_staying_in_all(serve: Serve, browser: Browser) -> None:
    server = serve(UNTOUCHED | {"timeout": 7, "warning": 5})
    url = await sign_in(browser, server.url)
    behind, front = await browser.open(url), await browser.open(url)
    await expect(prompt_in(behind)).to_be_visible()
    await prompt_in(front).get_by_role("button", name="Stay signed in").click()
    await expect(prompt_in(front)).to_be_hidden()
    await expect(prompt_in(behind)).to_be_hidden()
    assert not await heard(behind, "ended")
    assert not await heard(front, "ended")


# The prompt


async def test_the_prompt_comes_in_time_and_counts_down(serve: Serve, browser: Browser) -> None:
    server = serve({"keepalive": "activity", "timeout": 8, "warning": 6})
    page = await browser.open(await sign_in(browser, server.url))
    prompt = prompt_in(page)
    await expect(prompt).to_be_visible()
    (warning,) = await heard(page, "warning")
    assert 5000 <= warning["detail"]["left"] <= 6000
    # Said once to those who do not see it, and not every second.
    await expect(prompt.get_by_role("status")).to_have_text(re.compile(r"in [56] seconds\."))
    await expect(prompt.get_by_role("link")).to_have_count(0)
    end = warning["at"] + warning["detail"]["left"] / 1000
    shown: dict[int, float] = {}
    while len(shown) < 4:
        text, now = await prompt.evaluate(
            "(prompt) => [prompt.querySelector('[aria-hidden]').textContent, Date.now() / 1000]"
        )
        seconds = int(re.search(r"(\d+) seconds?\.", text)[1])  # type: ignore[index]
        assert end - now - 2 < seconds <= end - now + 1
        shown[seconds] = now
        await asyncio.sleep(0.1)
    assert list(shown) == sorted(shown, reverse=True)
    await expect(prompt.get_by_role("status")).to_have_text(re.compile(r"in [56] seconds\."))


async def test_stay_signed_in_closes_the_prompt_only_when_the_server_confirms(
    serve: Serve, browser: Browser
) -> None:
    # A ping could tell of the click too: none comes near.
    settings = {"keepalive": "activity", "timeout": 10, "warning": 8, "ping_interval": 9.9}
    server = serve(settings, *ONE_PROCESS)
    page = await browser.open(await sign_in(browser, server.url))
    note = page.get_by_label("Note")
    await note.fill("unsaved")
    prompt = prompt_in(page)
    stay = prompt.get_by_role("button")
    await expect(stay).to_have_text("Stay signed in")
    await expect(stay).to_be_focused()
    server.process.send_signal(signal.SIGSTOP)
    try:
        await stay.click()
        await expect(stay).to_have_text("Please wait…")
        await asyncio.sleep(1)
        await expect(prompt).to_be_visible()
        await expect(stay).to_have_attribute("aria-disabled", "true")
    finally:
        server.process.send_signal(signal.SIGCONT)
    await expect(prompt).to_be_hidden(timeout=2500)
    await expect(note).to_be_focused()
    await expect(note).to_have_value("unsaved")
    left = (await browser.get(f"{server.url}/_idle/state"))["left"]
    assert left > 8000
    assert not await heard(page, "ended")


async def test_escape_extends_and_does_not_reach_the_page(serve: Serve, browser: Browser) -> None:
    server = serve({"keepalive": "activity", "timeout": 7, "warning": 5, "ping_interval": 6.9})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("() => { window.keys = []; onkeydown = (event) => keys.push(event.key); }")
    for _ in range(2):
        await expect(prompt_in(page)).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(prompt_in(page)).to_be_hidden(timeout=2500)
        assert (await browser.get(f"{server.url}/_idle/state"))["left"] > 5000
    assert await page.evaluate("keys") == []
    await page.keyboard.press("Escape")
    assert await page.evaluate("keys") == ["Escape"]


async def test_the_prompt_has_a_sign_out_link_where_one_is_configured(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED | {"timeout": 8, "warning": 6, "sign_out_url": "/?out"})
    page = await browser.open(await sign_in(browser, server.url))
    await prompt_in(page).get_by_role("link", name="Sign out").click()
    await page.wait_for_url("**/?out")


async def test_the_end_of_the_lifetime_cannot_be_put_off(serve: Serve, browser: Browser) -> None:
    server = serve({"timeout": 60, "lifetime": 6, "warning": 4})
    page = await browser.open(await sign_in(browser, server.url))
    prompt = prompt_in(page)
    await expect(prompt).to_contain_text("be extended. Save your work.")
    await expect(prompt.get_by_role("button")).to_have_text("Continue")
    await page.keyboard.press("Escape")
    await expect(prompt).to_be_hidden()
    await expect(cover_in(page)).to_be_visible()
    await expect(cover_in(page)).to_contain_text("reached its time limit")
    assert await why_ended(browser, server.url) == "lifetime"
    warnings = await heard(page, "warning")
    assert [warning["detail"]["extendable"] for warning in warnings] == [False]


async def test_prompt_and_cover_are_above_the_pages_own_dialogs(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED)
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => {
          const own = document.createElement("dialog");
          own.append("The page's own");
          document.body.append(own);
          own.showModal();
        }"""
    )
    await expect(prompt_in(page)).to_be_visible()
    await expect(prompt_in(page).get_by_role("button")).to_be_focused()
    assert await on_top(page) == "quart-idle"
    # A framework that puts another page into place takes the body away.
    await page.evaluate("document.body.replaceWith(document.createElement('body'))")
    await expect(prompt_in(page)).to_be_visible()
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"


# The end


async def test_signed_out_in_one_tab_the_others_are_covered_within_a_second(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    url = await sign_in(browser, server.url)
    behind, front = await browser.open(url), await browser.open(url)
    began = time.time()
    await send(front, "/sign-out")
    await expect(cover_in(behind)).to_be_visible()
    (ended,) = await heard(behind, "ended")
    assert ended["at"] - began < 1
    assert ended["detail"] == {"reason": "signed out"}
    await behind.bring_to_front()
    await expect(cover_in(behind)).to_contain_text("You signed out, perhaps in another tab.")
    assert await on_top(behind) == "quart-idle"
    await behind.keyboard.press("Escape")
    await expect(cover_in(behind)).to_be_visible()
    # Where no sign-in page is configured, the page is loaded again.
    await cover_in(behind).get_by_role("button", name="Sign in again").click()
    await expect(behind.get_by_role("heading")).to_have_text("Signed in as None")
    await expect(cover_in(front)).to_be_visible()


async def test_the_cover_leads_to_the_sign_in_page_where_one_is_configured(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "sign_in_url": "/?again"})
    page = await browser.open(await sign_in(browser, server.url))
    await browser.post(f"{server.url}/sign-out?reason=a+new+password")
    await expect(cover_in(page)).to_contain_text("Your session has ended: a new password.")
    await expect(cover_in(page).get_by_role("link")).to_have_count(0)
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url("**/?again")


async def test_an_ended_page_goes_to_the_expired_url_and_back_does_not_return(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    length = await page.evaluate("history.length")
    await browser.post(f"{server.url}/sign-out")
    await page.wait_for_url("**/?expired")
    assert await page.evaluate("history.length") == length


@pytest.mark.parametrize("listens", [False, True])
async def test_who_signs_out_by_navigation_gets_where_that_leads(
    serve: Serve, browser: Browser, listens: bool
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("window.mark = 'kept'")
    if listens:
        await page.evaluate(blocks("js", "examples/pages/README.md")[0])

    async def answer_late(route: Route) -> None:
        response = await route.fetch()
        await asyncio.sleep(1)  # the page hears of the end first
        await route.fulfill(response=response)

    await page.route("**/sign-out", answer_late)
    await page.evaluate(
        """() => {
          const form = document.querySelector("form");
          form.method = "post";
          form.action = "/sign-out";
          form.requestSubmit();
        }"""
    )
    await page.wait_for_url(lambda url: not url.endswith("/page"))
    assert page.url.endswith("/sign-out")
    # Nor is who comes back sent away late.
    await page.evaluate("history.back()")
    await until(lambda: page.evaluate("window.mark"))
    await asyncio.sleep(6)
    assert page.url.endswith("/page")
    assert await on_top(page) == "quart-idle"


async def test_an_ended_page_whose_navigation_came_to_nothing_goes_to_the_expired_url(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.route("**/nothing", lambda route: route.fulfill(status=204))
    async with page.expect_response("**/nothing"):
        await page.evaluate("location.assign('/nothing')")
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible(timeout=3000)
    await page.wait_for_url("**/?expired")


async def test_the_readme_s_listener_takes_an_ended_page_elsewhere_at_once(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke("status of 404 .*/goodbye")
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(blocks("js", "examples/pages/README.md")[0])
    await browser.post(f"{server.url}/sign-out")
    await page.wait_for_url("**/goodbye?why=signed%20out", timeout=2000)


async def test_a_page_that_asks_before_it_is_left_is_covered_meanwhile(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600, "expired_url": "/?expired"})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("() => { onbeforeunload = (event) => event.preventDefault(); }")
    await page.get_by_label("Note").click()
    await page.keyboard.type("unsaved")
    async with page.expect_event("dialog") as asked:
        await browser.post(f"{server.url}/sign-out")
    await (await asked.value).dismiss()
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"
    assert page.url.endswith("/page")


async def test_after_a_new_token_every_tab_comes_back_and_goes_on(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 3, "warning": 1})
    url = await sign_in(browser, server.url)
    tabs = [await browser.open(url), await browser.open(url)]
    before = (await browser.get(f"{server.url}/peek"))["id"]
    told = [len(await heard(tab)) for tab in tabs]
    await send(tabs[1], "/regenerate")
    for tab, events in zip(tabs, told, strict=True):

        async def is_back(tab: Page = tab, events: int = events) -> bool:
            new = (await heard(tab))[events:]
            return any(event["detail"].get("type") == "state" for event in new)

        await until(is_back)
    await asyncio.sleep(5)
    for tab in tabs:
        assert await is_undisturbed(tab)
    facts = await browser.get(f"{server.url}/peek")
    assert facts["user"] == "ada"
    assert facts["id"] != before


# Servers and lines that fail


async def test_a_server_that_is_away_is_no_end_and_one_that_lost_the_session_is(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    browser.provoke(OVER)
    server = serve({"timeout": 600}, *ONE_PROCESS)
    page = await browser.open(await sign_in(browser, server.url))
    server.process.kill()
    server.process.wait()
    await until(lambda: sum("WebSocket" in text for text in browser.complaints) > 1)
    assert await is_undisturbed(page)
    serve({"timeout": 600}, port=server.port)
    await expect(cover_in(page)).to_be_visible(timeout=60_000)
    await expect(cover_in(page)).to_contain_text("Your session has ended.")
    (ended,) = await heard(page, "ended")
    assert ended["detail"] == {"reason": "unknown"}


async def test_when_time_is_up_and_the_server_away_the_page_waits_covered_and_then_goes_on(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    server = serve({"timeout": 5, "warning": 2})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)  # cookies do not tell ports apart
        page = await browser.open(f"{line.url}/page")
        note = page.get_by_label("Note")
        await note.fill("unsaved")
        line.cut()

        async def be_active() -> None:
            while True:
                await browser.get(server.url)
                await asyncio.sleep(0.3)

        elsewhere = asyncio.create_task(be_active())
        try:
            await expect(veil_in(page)).to_be_visible()
            assert await on_top(page) == "quart-idle"
            await page.keyboard.press("Escape")
            await expect(veil_in(page)).to_be_visible()
            assert not await heard(page, "warning", "ended")
            line.mend()
            await expect(veil_in(page)).to_be_hidden(timeout=60_000)
        finally:
            elsewhere.cancel()
            with suppress(asyncio.CancelledError):
                await elsewhere
        await expect(note).to_have_value("unsaved")
        await expect(note).to_be_focused()
        assert line.sockets == 1
        assert not await heard(page, "warning", "ended")


async def test_staying_while_the_server_is_away_says_so_and_is_done_when_it_is_back(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    server = serve({"keepalive": "activity", "timeout": 40, "warning": 38})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        prompt = prompt_in(page)
        await expect(prompt).to_be_visible()
        line.cut()
        await page.keyboard.press("Escape")
        await expect(prompt.get_by_role("status")).to_contain_text("could not reach the server")
        await expect(prompt).to_be_visible()
        line.mend()
        await expect(prompt).to_be_hidden(timeout=30_000)
        assert not await heard(page, "ended")


async def test_where_a_policy_blocks_the_socket_the_page_keeps_its_session_alive_over_http(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke("Content Security Policy")
    server = serve({"timeout": 5, "warning": 2})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page?csp={line.url}")
        await asyncio.sleep(8)
        assert await is_undisturbed(page)
        assert line.asked == 0
    assert await user_of(browser, server.url) == "ada"


async def test_where_a_proxy_blocks_sockets_pages_are_warned_extended_and_ended_over_http(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    browser.provoke(OVER)
    server = serve({"keepalive": "activity", "timeout": 7, "warning": 3})
    async with line_to(server.port) as line:
        line.sockets_pass = False
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        await prompt_in(page).get_by_role("button", name="Stay signed in").click()
        await expect(prompt_in(page)).to_be_hidden()
        assert not await heard(page, "ended")
        await expect(prompt_in(page)).to_be_visible()
        await expect(cover_in(page)).to_be_visible()
        await expect(cover_in(page)).to_contain_text("because you were not active")
        assert line.asked
        assert not line.sockets


# Pages that come and go


async def test_a_page_that_is_left_closes_its_socket_and_opens_it_on_the_way_back(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        await page.evaluate("window.mark = 'kept'")
        await page.get_by_label("Note").fill("unsaved")
        assert line.sockets == 1
        await page.goto(f"{line.url}/untouched")
        await until(lambda: line.sockets == 0)
        await page.evaluate("history.back()")
        await until(lambda: page.evaluate("window.mark"))
        await until(lambda: line.sockets == 1)
        await expect(veil_in(page)).to_be_hidden()
        await expect(page.get_by_label("Note")).to_have_value("unsaved")
        assert await on_top(page) != "quart-idle"


async def test_back_does_not_show_a_signed_out_persons_page(serve: Serve, browser: Browser) -> None:
    server = serve({"timeout": 600})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => {
          window.mark = "kept";
          addEventListener("pageshow", () => {
            const at = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
            window.atOnce = at.localName;
          }, true);
        }"""
    )
    await page.goto(f"{server.url}/untouched")
    await browser.post(f"{server.url}/sign-out")
    await page.evaluate("history.back()")
    await until(lambda: page.evaluate("window.mark"))
    assert await until(lambda: page.evaluate("window.atOnce")) == "quart-idle"
    # The browser has lost the cookie, so there is nothing left to ask the reason of.
    await expect(cover_in(page)).to_contain_text("Your session has ended.")


async def test_a_frozen_page_closes_its_socket_and_comes_back_when_it_thaws(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    async with line_to(server.port) as line:
        await sign_in(browser, server.url)
        page = await browser.open(f"{line.url}/page")
        cdp = await browser.context.new_cdp_session(page)
        await browser.blank()
        await until(lambda: page.evaluate("document.visibilityState === 'hidden'"))
        await cdp.send("Page.setWebLifecycleState", {"state": "frozen"})
        await until(lambda: line.sockets == 0)
        await page.bring_to_front()
        await cdp.send("Page.setWebLifecycleState", {"state": "active"})
        await until(lambda: line.sockets == 1)
        await expect(veil_in(page)).to_be_hidden()
        assert not await heard(page, "warning", "ended")
        assert await on_top(page) != "quart-idle"


# What a page is given


async def test_a_page_hears_events_and_may_show_something_else(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED | {"lifetime": 600})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate("refused.push('state', 'warning', 'ended')")
    await until(lambda: heard(page, "ended"))
    events = await heard(page)
    first = events[0]["detail"]
    assert 2500 < first["left"] <= 4000
    assert 590_000 < first["total"] <= 600_000
    assert (first["warning"], first["keepalive"]) == (1500, "activity")
    assert {event["cancelable"] for event in events if event["name"] == "state"} == {False}
    warning, ended = (event for event in events if event["name"] != "state")
    assert warning["name"] == "warning"
    assert warning["cancelable"]
    assert 500 < warning["detail"]["left"] <= 1500
    assert warning["detail"]["extendable"] is True
    assert ended == {
        "name": "ended",
        "detail": {"reason": "idle"},
        "cancelable": True,
        "at": ended["at"],
    }
    await asyncio.sleep(0.5)
    assert await page.locator("quart-idle dialog[open]").count() == 0
    assert await on_top(page) != "quart-idle"


@pytest.mark.parametrize(
    ("lang", "unit"), [("pt_BR", "segundos"), ("not a language!", "seconds"), ("pt-", "segundos")]
)
async def test_a_page_s_language_need_not_be_one_for_the_prompt_to_come(
    serve: Serve, browser: Browser, lang: str, unit: str
) -> None:
    server = serve(UNTOUCHED | {"timeout": 5, "warning": 3})
    page = await browser.open(f"{await sign_in(browser, server.url)}?lang={lang}")
    await expect(prompt_in(page)).to_contain_text(unit)
    await expect(prompt_in(page).get_by_role("button")).to_have_text("Ficar")


async def test_the_readme_s_own_prompt_takes_the_place_of_the_client_s(
    serve: Serve, browser: Browser
) -> None:
    server = serve(UNTOUCHED | {"timeout": 5, "warning": 3})
    page = await browser.open(await sign_in(browser, server.url))
    await page.evaluate(
        """() => document.body.insertAdjacentHTML("beforeend",
          "<p id=bar hidden>Still there? <button id=stay>Yes</button></p>")"""
    )
    await page.add_script_tag(content=blocks("js", "examples/pages/README.md")[1], type="module")
    bar = page.locator("#bar")
    await expect(bar).to_be_visible()
    assert not await page.locator("quart-idle").count()
    await bar.get_by_role("button", name="Yes").click()
    await expect(bar).to_be_hidden()
    assert await user_of(browser, server.url) == "ada"


async def test_every_event_says_how_much_of_the_lifetime_is_left(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 60, "lifetime": 600, "ping_interval": 1})
    page = await browser.open(await sign_in(browser, server.url))

    async def pinged() -> bool:
        return [event["detail"]["type"] for event in await heard(page)].count("ping") > 2

    await until(pinged)
    events = await heard(page)
    ends = [event["at"] + event["detail"]["total"] / 1000 for event in events]
    assert ends == pytest.approx([ends[0]] * len(ends), abs=0.4)


@pytest.mark.parametrize("nonce", ["", "&nonce=r4nd0m"])
async def test_a_strict_policy_with_trusted_types_has_nothing_to_complain_of(
    serve: Serve, browser: Browser, nonce: str
) -> None:
    server = serve(UNTOUCHED | {"timeout": 7, "warning": 5})
    page = await browser.open(await sign_in(browser, server.url) + f"?csp={nonce}")
    await prompt_in(page).get_by_role("button").click()
    await expect(prompt_in(page)).to_be_hidden()
    # The client's own look, without which the cover would let the page through.
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"


async def test_without_a_live_session_a_page_is_given_nothing(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"timeout": 600})
    stranger = await browser.blank(f"{server.url}/page")
    assert await stranger.locator("script").count() == 0
    page = await browser.open(await sign_in(browser, server.url))
    assert await page.locator("script").count() == 1
    assert await page.evaluate("document.cookie") == ""
    await browser.post(f"{server.url}/sign-out")
    await page.reload()
    assert await page.locator("script").count() == 0


# The examples


async def demo_sign_in(browser: Browser, url: str, keepalive: str) -> Page:
    """The demo, signed in by hand from its first page on."""
    page = await browser.blank(url)
    await page.get_by_role("link", name=f"Try {keepalive}").click()
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Note")
    return page


@pytest.mark.parametrize("keepalive", ["presence", "activity"])
async def test_the_demo_signs_in_keeps_a_note_shows_the_session_and_signs_out(
    serve: Serve, browser: Browser, keepalive: str
) -> None:
    server = serve(target="examples.demo:app")
    page = await demo_sign_in(browser, server.url, keepalive)
    await page.get_by_label("Your note").fill("Two lines,\nof which this is one.")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved at")).to_be_visible()
    await page.get_by_role("link", name="Session").click()
    await expect(page.get_by_role("main")).to_contain_text("Ada")
    await expect(page.get_by_role("main")).to_contain_text(re.compile("[0-9a-f]{64}"))
    await expect(page.locator("#events")).to_contain_text("quart-idle:state")
    await page.get_by_role("link", name="Note", exact=True).click()
    await expect(page.get_by_label("Your note")).to_have_value("Two lines,\nof which this is one.")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("main")).to_contain_text("You signed out.")
    await page.goto(f"{server.url}/{keepalive}/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert await page.locator("script").count() == 0


async def test_in_the_demo_an_open_page_outlasts_the_timeout_and_a_closed_one_is_told_of(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="tests.helpers.quick_demo:app")
    page = await demo_sign_in(browser, server.url, "presence")
    await asyncio.sleep(6)
    assert await is_undisturbed(page)
    await page.get_by_label("Your note").fill("late")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved at")).to_be_visible()
    await page.close()
    await until(lambda: why_ended(browser, f"{server.url}/presence"))
    visit = await browser.blank(f"{server.url}/presence/")
    await expect(visit.get_by_role("main")).to_contain_text("after your last page was closed")
    await visit.get_by_label("Name").fill("Ada")
    await visit.get_by_role("button", name="Sign in").click()
    await visit.get_by_role("link", name="Session").click()
    await expect(visit.get_by_role("main")).to_contain_text("after your last page was closed")


async def test_in_the_demo_an_untouched_page_is_warned_and_ended_in_activity_mode(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="tests.helpers.quick_demo:app")
    page = await demo_sign_in(browser, server.url, "activity")
    await expect(prompt_in(page)).to_be_visible()
    await expect(cover_in(page)).to_be_visible()
    async with page.expect_popup() as opened:
        await cover_in(page).get_by_role("button", name="Sign in again").click()
    window = await opened.value
    await expect(window.get_by_role("main")).to_contain_text("because nothing happened")
    await window.get_by_label("Name").fill("Ada")
    await window.get_by_role("button", name="Sign in").click()
    await expect(cover_in(page)).to_be_hidden()
    assert window.is_closed()
    await expect(prompt_in(page)).to_be_visible()
    await prompt_in(page).get_by_role("link", name="Sign out").click()
    await expect(page.get_by_role("main")).to_contain_text("You signed out.")


async def test_the_demo_s_modes_are_found_without_the_slash_too(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="examples.demo:app")
    for mode in ("presence", "activity"):
        page = await browser.blank(f"{server.url}/{mode}")
        assert page.url == f"{server.url}/{mode}/sign-in"
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


async def test_the_minimal_example_signs_in_and_stays_open(serve: Serve, browser: Browser) -> None:
    server = serve(target="examples.minimal:app")
    page = await browser.blank(server.url)
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading")).to_have_text("Hello Ada")
    await until(lambda: heard(page, "state"))
