"""What users see of the client in a real browser: through bad times, in any language and look."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Dialog, Locator, Page, Route, WebSocket, expect

from tests.helpers.browser import Browser
from tests.helpers.line import line_to
from tests.helpers.redis_servers import redis_server
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
from tests.helpers.visits import end_by_time, open_letter, sign_in_at, user_of
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Untouched pages are warned after a second, and have two more.
UNTOUCHED = {"keepalive": "activity", "timeout": 3, "warning": 2}
# They are warned after half a second, and have two minutes.
PATIENT = {"keepalive": "activity", "timeout": 120.5, "warning": 120, "sign_out_url": "/?out"}

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
FORCED: Final[tuple[Literal["none", "active"], ...]] = ("none", "active")

# Opens a dialog of the page's own, as its framework may at any time.
OPEN_OWN = """() => {
  const own = document.createElement("dialog");
  own.append("The page's own");
  document.body.append(own);
  own.showModal();
}"""


async def open_warned(browser: Browser, url: str, path: str = "/letter") -> Page:
    """Ada signs in, opens a page, and does not touch it."""
    await browser.post(f"{url}/sign-in/ada")
    page = await browser.open(f"{url}{path}")
    await until(lambda: heard(page, "warning"))
    return page


def on_screen(page: Page) -> Locator:
    """The prompt or the cover, whichever is shown, in any language."""
    return page.locator("quart-idle dialog[open]")


@asynccontextmanager
async def in_use(browser: Browser, url: str) -> AsyncIterator[None]:
    """Requests are made meanwhile, from no page."""

    async def use() -> None:
        while True:
            await browser.get(url)
            await asyncio.sleep(0.3)

    use_it = asyncio.create_task(use())
    try:
        yield
    finally:
        use_it.cancel()
        with suppress(asyncio.CancelledError):
            await use_it


# Right about time


async def test_a_hidden_page_lives_on_though_the_browser_holds_its_timers_back_for_a_minute(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 2, "warning": 0.5, "closed_timeout": 1.5})
    page = await open_letter(browser, server.url)
    await page.evaluate(
        "() => { window.ticks = 0; const tick = () => setTimeout(tick, 20, ++ticks); tick(); }"
    )
    # The first of a chain of timers are not held back.
    await until(lambda: page.evaluate("ticks > 10"))
    await browser.blank()
    await until(lambda: page.evaluate("document.visibilityState === 'hidden'"))

    async def is_held_back() -> bool:
        ticks = await page.evaluate("ticks")
        await asyncio.sleep(3)
        return bool(await page.evaluate("ticks") - ticks <= 1)

    await until(is_held_back)  # a second after it was hidden, or later on a busy machine
    assert await is_undisturbed(page)
    assert await user_of(browser, server.url) == "ada"


async def test_a_page_whose_line_falls_silent_is_covered_when_its_time_is_up_until_it_hears_more(
    serve_pages: Serve, browser: Browser
) -> None:
    browser.provoke(AWAY)
    server = serve_pages({"timeout": 2, "warning": 0.5})
    async with line_to(server.port) as line, in_use(browser, server.url):
        await browser.post(f"{server.url}/sign-in/ada")
        page = await browser.open(f"{line.url}/letter")
        search = page.get_by_label("Search")
        await search.fill("unsaved")
        line.silent = True
        last = (await heard(page))[-1]
        left = last["at"] + last["detail"]["left"] / 1000 - time.time()
        await expect(veil_in(page)).to_be_visible(timeout=1000 * (left + 2))
        assert await on_top(page) == "quart-idle"
        line.mend()
        await expect(veil_in(page)).to_be_hidden(timeout=30_000)
        await expect(search).to_have_value("unsaved")
        await expect(search).to_be_focused()
        assert await on_top(page) != "quart-idle"
        assert not await heard(page, "warning", "ended")


async def test_a_clock_that_is_set_back_makes_the_page_ask_and_changes_nothing(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 6, "warning": 4})
    sent: list[str] = []

    def note(socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: sent.append(str(payload)))

    browser.context.on("page", lambda page: page.on("websocket", note))
    page = await open_letter(browser, server.url)
    asked = sum('"ask"' in frame for frame in sent)
    await page.evaluate(
        "() => { const now = Date.now; Date.now = () => now() - 3_600_000; Date.now(); }"
    )
    await until(lambda: sum('"ask"' in frame for frame in sent) > asked, within=4)
    prompt = prompt_in(page)
    await expect(prompt).to_be_visible()
    for _ in range(10):
        text = await prompt.locator("[aria-hidden]").text_content()
        assert re.fullmatch(r".* in [1-4] seconds?\.", text or "")
        await asyncio.sleep(0.1)
    await prompt.get_by_role("button", name="Stay signed in").click()
    await expect(prompt).to_be_hidden()
    assert sum('"ask"' in frame for frame in sent) == asked + 1
    idle = [re.search(r'"idle":(\d+),', frame) for frame in sent if '"pong"' in frame]
    assert idle
    assert all(found and int(found[1]) < 10_000 for found in idle)
    assert not await heard(page, "ended")


async def test_staying_at_the_last_second_in_one_tab_is_in_time_for_both(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 3, "warning": 2})
    behind = await open_letter(browser, server.url)
    front = await browser.open(behind.url)
    await expect(prompt_in(behind)).to_be_visible()
    await expect(prompt_in(front)).to_be_visible()
    (warning,) = await heard(front, "warning")
    end = warning["at"] + warning["detail"]["left"] / 1000
    await asyncio.sleep(end - 0.8 - time.time())
    await prompt_in(front).get_by_role("button", name="Stay signed in").click()
    await expect(prompt_in(front)).to_be_hidden(timeout=1500)
    await expect(prompt_in(behind)).to_be_hidden(timeout=1500)
    await asyncio.sleep(end + 0.5 - time.time())
    for page in (behind, front):
        assert not await heard(page, "ended")
    assert await user_of(browser, server.url) == "ada"


async def test_one_can_stay_twelve_times_in_a_row(serve_pages: Serve, browser: Browser) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 8, "warning": 7.5})
    page = await open_letter(browser, server.url)
    search = page.get_by_label("Search")
    stay = prompt_in(page).get_by_role("button", name="Stay signed in")

    async def is_typing() -> bool:
        """Whether no prompt came before the field had the focus, and took it."""
        if await prompt_in(page).is_visible():
            await stay.click()
        await search.fill("unsaved")
        return bool(await search.evaluate("(search) => document.activeElement === search"))

    await until(is_typing)
    await search.evaluate("(search) => { window.back = 0; search.onfocus = () => ++back; }")
    for stayed in range(1, 13):
        await stay.click()
        await until(lambda: page.evaluate(f"back >= {stayed}"))  # noqa: B023  (waited for here)
    assert await page.evaluate("back") == 12
    await expect(search).to_have_value("unsaved")
    assert len(await heard(page, "warning")) >= 12
    assert not await heard(page, "ended")


async def test_fifty_pages_come_back_after_a_restart_and_show_nothing(
    serve_pages: Serve, browser: Browser, tmp_path: Path
) -> None:
    browser.provoke(AWAY)
    with redis_server(tmp_path) as redis:
        settings = {"store": redis.url, "timeout": 600}
        server = serve_pages(settings)
        pages = [await open_letter(browser, server.url)]
        pages += await asyncio.gather(*(browser.open(pages[0].url) for _ in range(49)))

        async def greetings(page: Page) -> int:
            events = await heard(page, "state")
            return [event["detail"]["type"] for event in events].count("state")

        before = await asyncio.gather(*map(greetings, pages))
        await asyncio.to_thread(server.stop)
        serve_pages(settings, port=server.port)
        end = time.monotonic() + 30
        for page, greeted in zip(pages, before, strict=True):

            async def is_back(page: Page = page, greeted: int = greeted) -> bool:
                return await greetings(page) > greeted

            await until(is_back, within=end - time.monotonic())
        assert all(await asyncio.gather(*map(is_undisturbed, pages)))


# On top


async def test_prompt_and_cover_stay_on_top_of_later_dialogs_and_when_the_body_is_replaced(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    page = await open_warned(browser, server.url)
    await page.evaluate(OPEN_OWN)
    await asyncio.sleep(0.2)
    assert await on_top(page) == "quart-idle"
    stay = prompt_in(page).get_by_role("button", name="Stay signed in")
    await expect(stay).to_be_focused(timeout=1000)
    await stay.click(timeout=1000)
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    await page.evaluate(OPEN_OWN)
    await asyncio.sleep(0.2)
    assert await on_top(page) == "quart-idle"
    await page.evaluate("document.body.replaceWith(document.createElement('body'))")
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"


# Whose page it is


@pytest.mark.parametrize("sockets_pass", [True, False])
async def test_a_page_does_not_go_on_as_that_of_somebody_else_who_signed_in(
    serve_pages: Serve, browser: Browser, sockets_pass: bool
) -> None:
    browser.provoke(AWAY)
    browser.provoke(OVER)
    server = serve_pages({"timeout": 12, "warning": 1})
    async with line_to(server.port) as line:
        line.sockets_pass = sockets_pass
        page = await open_letter(browser, line.url)
        await page.get_by_label("Search").fill("ada's")
        await sign_in_at(await browser.blank(f"{line.url}/sign-in"), "bob")
        cover = cover_in(page)
        await expect(cover).to_be_visible()
        await expect(cover).to_contain_text("Somebody else signed in, perhaps in another tab.")
        asked, told = line.asked, len(await heard(page))
        await page.bring_to_front()
        await asyncio.sleep(1)
        assert await on_top(page) == "quart-idle"
        assert line.asked == asked
        events = await heard(page)
        assert len(events) == told
        assert events[-1]["detail"] == {"reason": "switched"}
        await cover.get_by_role("button", name="Reload the page").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
        await expect(page.get_by_label("Search")).to_have_value("")
        await expect(cover).to_be_hidden()


async def sign_in_again(page: Page, name: str) -> Page:
    """Sign in by the cover's button, in the window that it opens."""
    async with page.expect_popup() as opened:
        await cover_in(page).get_by_role("button", name="Sign in again").click()
    window = await opened.value
    assert window.url.endswith("/sign-in")
    assert await window.evaluate("innerWidth") < 600
    await sign_in_at(window, name)
    return window


async def test_who_signs_in_again_finds_every_page_as_it_was(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 60, "sign_in_url": "/sign-in", "keepalive": "activity"})
    await browser.post(f"{server.url}/sign-in/ada?timeout=2")
    url = f"{server.url}/letter"
    behind, front = await browser.open(url), await browser.open(url)
    for page in (behind, front):
        await page.get_by_label("Search").fill("unsaved")
    for page in (behind, front):
        await expect(cover_in(page)).to_be_visible()
    # Who closes the window again has not signed in.
    async with front.expect_popup() as opened:
        await cover_in(front).get_by_role("button", name="Sign in again").click()
    await (await opened.value).close()
    window = await sign_in_again(front, "ada")
    await expect(cover_in(front)).to_be_hidden()
    await until(window.is_closed)
    await behind.bring_to_front()
    for page in (behind, front):
        await expect(cover_in(page)).to_be_hidden()
        await expect(page.get_by_label("Search")).to_have_value("unsaved")
        assert await on_top(page) != "quart-idle"
        assert len(await heard(page, "ended")) == 1
        assert await page.evaluate("document.documentElement.quartIdle.state") == "live"
        assert await page.evaluate("document.documentElement.quartIdle.left") > 30_000


async def test_when_somebody_else_signs_in_again_the_page_becomes_theirs(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 60, "sign_in_url": "/sign-in"})
    page = await open_letter(browser, server.url)
    await page.get_by_label("Search").fill("ada's")
    await end_by_time(browser, server.url)
    await sign_in_again(page, "bob")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signed in as bob")
    await expect(page.get_by_label("Search")).to_have_value("")
    await expect(cover_in(page)).to_be_hidden()


async def test_a_page_of_nobody_s_is_not_uncovered_by_who_signs_in(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 60, "sign_in_url": "/sign-in"})
    await browser.post(f"{server.url}/set?cart=full")
    page = await browser.open(f"{server.url}/letter")
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await sign_in_at(await browser.blank(f"{server.url}/sign-in"), "ada")
    await page.bring_to_front()
    await asyncio.sleep(1)
    await expect(cover_in(page)).to_be_visible()
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_url("**/sign-in")


async def test_a_page_that_is_uncovered_shortly_before_the_next_end_is_warned_of_it(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 6, "warning": 5})
    page = await open_warned(browser, server.url)
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await browser.blank()
    await browser.post(f"{server.url}/sign-in/ada")
    await asyncio.sleep(1.5)
    await page.bring_to_front()
    await expect(cover_in(page)).to_be_hidden()
    await expect(prompt_in(page)).to_be_visible(timeout=2000)


# Any language, any look


async def test_prompt_and_cover_speak_the_page_s_language(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 4.3, "warning": 3.9})
    await browser.post(f"{server.url}/sign-in/ada")
    german = await browser.open(f"{server.url}/language/de")
    arabic = await browser.open(f"{server.url}/language/ar")
    prompt = german.get_by_role("dialog", name="Sie werden gleich abgemeldet")
    await expect(prompt).to_contain_text("Zu Ihrer Sicherheit melden wir Sie in 3 Sekunden ab.")
    await expect(prompt.get_by_role("button")).to_have_text("Angemeldet bleiben")
    await expect(prompt).to_have_css("direction", "ltr")
    prompt = arabic.get_by_role("dialog", name="سيتم تسجيل خروجك قريبًا")
    await expect(prompt).to_have_css("direction", "rtl")
    title, button = (
        await box(prompt.get_by_role("heading")),
        await box(prompt.get_by_role("button")),
    )
    assert title["x"] + title["width"] == pytest.approx(button["x"] + button["width"], abs=1)
    said = set()
    while not await heard(arabic, "ended"):
        said.add(await arabic.locator("quart-idle .prompt [aria-hidden]").text_content())
        await asyncio.sleep(0.1)
    # A few, two, one: all of them plurals of their own.
    for time_left in ("3 ثوان", "ثانيتان", "ثانية"):
        assert f"حفاظًا على أمانك، سنسجّل خروجك خلال {time_left}." in said
    cover = arabic.get_by_role("dialog", name="تم تسجيل خروجك")
    await expect(cover).to_contain_text("حفاظًا على أمانك: لم يكن هناك نشاط.")
    cover = german.get_by_role("dialog", name="Sie wurden abgemeldet")
    await expect(cover.get_by_role("button")).to_have_text("Wieder anmelden")


async def box(element: Locator) -> Any:
    found = await element.bounding_box()
    assert found
    return found


# What of an element's look the tests ask for.
LOOK = """(element) => {
  const style = getComputedStyle(element);
  return {
    text: style.color,
    ground: style.backgroundColor,
    border: style.borderTopColor,
    radius: style.borderTopLeftRadius,
    width: style.width,
    behind: getComputedStyle(element, "::backdrop").backgroundColor,
  };
}"""


async def look_of(element: Locator) -> dict[str, str]:
    found: dict[str, str] = await element.evaluate(LOOK)
    return found


def brightness(color: str) -> float:
    """A colour's relative luminance: WCAG 2.2."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", color)[:3]]
    red, green, blue = (
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, from 1 to 21."""
    darker, lighter = sorted([brightness(one), brightness(other)])
    return (lighter + 0.05) / (darker + 0.05)


async def test_custom_properties_change_the_look(serve_pages: Serve, browser: Browser) -> None:
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url)
    wanted = {
        "fg": "rgb(0, 0, 128)",
        "bg": "rgb(255, 255, 240)",
        "border": "rgb(255, 0, 0)",
        "radius": "3px",
        "width": "400px",
        "backdrop": "rgb(0, 128, 0)",
        "veil": "rgb(240, 240, 255)",
    }
    for name, value in wanted.items():
        await page.evaluate(
            "([name, value]) => document.documentElement.style.setProperty(name, value)",
            [f"--quart-idle-{name}", value],
        )
    look = await look_of(prompt_in(page))
    assert look == {
        "text": wanted["fg"],
        "ground": wanted["bg"],
        "border": wanted["border"],
        "radius": wanted["radius"],
        "width": wanted["width"],
        "behind": wanted["backdrop"],
    }
    button = await look_of(prompt_in(page).get_by_role("button"))
    assert (button["text"], button["ground"]) == (wanted["bg"], wanted["fg"])
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    look = await look_of(cover_in(page))
    assert (look["text"], look["ground"]) == (wanted["fg"], wanted["veil"])


async def test_the_default_look_is_the_system_s_with_contrast_and_without_motion(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url)
    grounds = []

    async def check(dialog: Locator) -> None:
        ground = (await look_of(dialog))["ground"]
        grounds.append(ground)
        for element in await dialog.locator("h2, p, a, button").all():
            if not await element.is_visible():
                continue
            look = await look_of(element)
            own = ground if look["ground"] == "rgba(0, 0, 0, 0)" else look["ground"]
            assert contrast(look["text"], own) >= 7, look
        # The button is seen to be one.
        button = await look_of(dialog.get_by_role("button"))
        assert max(contrast(button[part], ground) for part in ("ground", "border")) >= 3

    async def check_all() -> None:
        for colors in FORCED:
            for scheme in SCHEMES:
                await page.emulate_media(
                    color_scheme=scheme, forced_colors=colors, reduced_motion="reduce"
                )
                await check(on_screen(page))
        moving = await page.evaluate(
            """() => [...document.querySelector("quart-idle").shadowRoot.querySelectorAll("*")]
              .map((element) => getComputedStyle(element))
              .filter((style) =>
                style.animationName !== "none" || parseFloat(style.transitionDuration)).length"""
        )
        assert moving == 0
        assert await page.evaluate("document.getAnimations().length") == 0

    await check_all()
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    await check_all()
    light, dark = grounds[:2]
    assert brightness(light) > 0.8
    assert brightness(dark) < 0.05


async def test_axe_finds_nothing_in_prompt_and_cover_in_light_and_dark(
    serve_pages: Serve, browser: Browser, tmp_path: Path
) -> None:
    axe = Axe()
    folder = Path(os.environ.get("QUART_IDLE_SCREENSHOTS", tmp_path))
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url)
    await page.set_viewport_size({"width": 800, "height": 560})

    async def check(name: str) -> None:
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=folder / f"{name}-{scheme}.png")
            found = await axe.run(page, options={})
            assert not found.response["violations"], found.generate_report()
            assert "#" + name in str(found.response["passes"])  # it has looked inside

    await check("prompt")
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await check("cover")


async def test_at_200_percent_and_on_a_narrow_screen_everything_is_within_reach(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url, "/language/de")
    cdp = await browser.context.new_cdp_session(page)

    async def check() -> None:
        dialog = on_screen(page)
        await expect(dialog).to_be_visible()
        # 1280 pixels at 200% and 400%, and a phone: WCAG 2.2, 1.4.4 and 1.4.10.
        for width, height, scale in ((640, 360, 2), (320, 256, 4), (320, 480, 1)):
            metrics = {"width": width, "height": height, "deviceScaleFactor": scale}
            await cdp.send("Emulation.setDeviceMetricsOverride", {**metrics, "mobile": False})
            await until(partial(page.evaluate, f"innerWidth === {width}"))
            assert await dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
            assert await page.locator("html").evaluate("(e) => e.scrollWidth <= e.clientWidth")
            for element in await dialog.locator("h2, button, a").all():
                if await element.is_visible():
                    await element.scroll_into_view_if_needed()
                    await expect(element).to_be_in_viewport(ratio=1)
        # On the phone nothing has to be scrolled.
        assert await dialog.evaluate("(dialog) => dialog.scrollHeight <= dialog.clientHeight")

    await check()
    await browser.post(f"{server.url}/sign-out")
    await until(lambda: heard(page, "ended"))
    await check()


# What the page does with it


async def test_the_application_s_own_module_drives_the_client_though_it_is_loaded_first(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED | {"sign_out_url": "/?out"})
    async with line_to(server.port) as line:
        page = await open_letter(browser, line.url, "?own=before")
        # It need not have heard from the server by then.
        assert await page.evaluate("atFirst") in (["checking", True], ["live", False])
        assert await page.evaluate("idle.state") == "live"
        assert 0 < await page.evaluate("idle.left") <= 3000
        await expect(prompt_in(page)).to_be_visible()
        assert await page.evaluate("idle.state") == "warned"
        assert 0 < await page.evaluate("idle.left") <= 2000
        assert await page.locator("quart-idle").count() == 1
        await page.evaluate("idle.extend()")
        await expect(prompt_in(page)).to_be_hidden()
        assert await page.evaluate("idle.state") == "live"
        assert await page.evaluate("idle.left") > 2000
        await browser.post(f"{server.url}/sign-out")
        await expect(cover_in(page)).to_be_visible()
        assert await page.evaluate("idle.state") == "ended"
        # The module was loaded under two addresses: it ran once, and is one thing.
        same = "import(document.querySelector('script[src^=\"/_idle\"]').src)"
        assert await page.evaluate(f"{same}.then((module) => module.idle === idle)")
        assert line.asked == 1
        # With what the tag says.
        assert await page.locator("quart-idle a[href='/?out']").count() == 1


async def test_input_in_a_frame_counts_once_the_frame_is_watched(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    page = await open_letter(browser, server.url, "?framed&own=after")
    inside = page.frame_locator("iframe").get_by_label("Inside")

    async def type_until_warned() -> bool:
        await inside.press("a")
        return bool(await heard(page, "warning"))

    await until(type_until_warned, within=3, every=0.2)
    await page.evaluate(
        """() => {
          idle.watch(document.querySelector("iframe").contentWindow);
          idle.extend();
        }"""
    )
    await expect(prompt_in(page)).to_be_hidden()
    for _ in range(9):
        await inside.press("a")
        await asyncio.sleep(0.2)
    assert len(await heard(page, "warning")) == 1
    assert await on_top(page) != "quart-idle"


async def test_turning_the_wheel_is_activity_and_scrolling_by_script_is_not(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    page = await open_letter(browser, server.url)
    await page.evaluate("() => { document.body.style.minHeight = '500vh'; }")
    await page.mouse.move(200, 200)
    for _ in range(9):
        await page.mouse.wheel(0, 20)
        await asyncio.sleep(0.2)
    assert await page.evaluate("scrollY") > 0
    assert await is_undisturbed(page)
    await page.evaluate("() => setInterval(() => scrollTo(0, 500 * Math.random()), 50)")
    await expect(prompt_in(page)).to_be_visible(timeout=2500)


async def test_text_that_comes_without_keys_is_activity_and_a_choice_by_script_is_not(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(UNTOUCHED)
    page = await open_letter(browser, server.url)
    await page.get_by_label("Your letter").evaluate("(letter) => letter.focus()")
    for _ in range(9):
        await page.keyboard.insert_text("as dictated ")
        await asyncio.sleep(0.2)
    assert await is_undisturbed(page)
    await page.evaluate(
        """() => {
          const box = document.body.appendChild(document.createElement("input"));
          box.type = "checkbox";
          setInterval(() => box.click(), 50);
        }"""
    )
    await expect(prompt_in(page)).to_be_visible(timeout=2500)


async def test_the_client_runs_with_its_own_hash_only_and_a_strict_policy_has_no_complaint(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url, "?integrity&csp&own=after")
    script = page.locator("script[integrity]")
    await expect(script).to_have_attribute("integrity", re.compile("^sha384-.{64}$"))
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"
    assert browser.unexpected() == []

    async def tamper(route: Route) -> None:
        response = await route.fetch()
        await route.fulfill(response=response, body=await response.text() + "//")

    browser.provoke("integrity")
    await browser.post(f"{server.url}/sign-in/ada")
    page = await browser.blank()
    await page.route("**/quart-idle.js*", tamper)
    await page.goto(f"{server.url}/letter?integrity&csp")
    await until(lambda: any("integrity" in text for text in browser.complaints))
    assert await page.evaluate("document.documentElement.quartIdle === undefined")
    assert not await heard(page)


async def test_unsent_work_in_a_marked_form_is_not_left_without_a_question(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    # The other form is not marked.
    await page.get_by_label("Search").press_sequentially("kept")
    await page.evaluate("location.assign('/letter?again')")
    await page.wait_for_url("**/letter?again")
    assert asked == []
    letter = page.get_by_label("Your letter")
    await letter.press_sequentially("Dear")
    await page.evaluate("setTimeout(() => location.assign('/untouched'))")
    await until(lambda: asked)
    assert asked == ["beforeunload"]
    assert page.url.endswith("/letter?again")
    await expect(letter).to_have_value("Dear")
    await page.get_by_role("button", name="Send").click()
    await page.wait_for_url("**/letter?letter=Dear")
    assert asked == ["beforeunload"]
