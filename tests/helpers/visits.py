"""What users do in a real browser before a test looks at a page."""

from __future__ import annotations

from contextlib import suppress

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from tests.helpers.browser import Browser
from tests.helpers.shown import cover_in, heard
from tests.helpers.waiting import until

# Untouched pages are warned after 2.5 seconds; their sessions end after four.
UNTOUCHED = {"keepalive": "activity", "timeout": 4, "warning": 1.5}
# Untouched pages are warned after a second, and have two more.
WARNED_SOON = {"keepalive": "activity", "timeout": 3, "warning": 2}

# What makes no sound is played without being asked for.
PLAY = """() => {
  const context = new AudioContext();
  window.audio = document.createElement("audio");
  document.body.append(Object.assign(audio, { muted: true }));
  audio.srcObject = context.createMediaStreamDestination().stream;
  audio.play().catch(() => {}); // it may be paused before it begins
  return audio.paused;
}"""


async def user_of(browser: Browser, url: str) -> str | None:
    user: str | None = (await browser.get(f"{url}/peek"))["user"]
    return user


async def open_letter(browser: Browser, url: str, query: str = "") -> Page:
    """Ada signs in, and opens a letter."""
    await browser.post(f"{url}/sign-in/ada")
    return await browser.open(f"{url}/letter{query}")


async def end_by_time(browser: Browser, url: str) -> None:
    """As the clock would."""
    await browser.post(f"{url}/sign-out?reason=idle")


async def sign_in_window(covered: Page) -> Page:
    """The window that a covered page opens to sign in again."""
    async with covered.expect_popup() as opened:
        await cover_in(covered).get_by_role("button", name="Sign in again").click()
    return await opened.value


async def sign_in_at(page: Page, name: str) -> None:
    """Sign in at a sign-in page."""
    await page.get_by_label("Name").fill(name)
    try:
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("Welcome").wait_for()
    except PlaywrightError:  # a window may be closed at once
        await until(page.is_closed)


async def sign_in_at_window(window: Page, name: str) -> None:
    """Sign in at a window that closes once one has."""
    await window.get_by_label("Name").fill(name)
    with suppress(PlaywrightError):  # it may close before the click is over
        await window.get_by_role("button", name="Sign in").click()
    await until(window.is_closed)


async def sign_in(browser: Browser, url: str, user: str = "ada") -> str:
    """Sign in without a page; the URL of one that the session has."""
    await browser.post(f"{url}/sign-in/{user}")
    return f"{url}/page"


async def why_ended(browser: Browser, url: str) -> str | None:
    """Why the session ended, if it did; asking is no sign of life."""
    reason: str | None = (await browser.get(f"{url}/_idle/state")).get("reason")
    return reason


async def open_warned(browser: Browser, url: str, path: str = "/letter") -> Page:
    """Ada signs in, opens a page, and does not touch it."""
    await browser.post(f"{url}/sign-in/ada")
    page = await browser.open(f"{url}{path}")
    await until(lambda: heard(page, "warning"))
    return page
