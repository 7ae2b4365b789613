"""What the client shows and says in a page of a real browser."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page

from tests.helpers.waiting import until

# What a browser says of a server that is away, and of a socket that is refused.
AWAY = r"net::ERR_|WebSocket connection to "
# What it says of a session that is over, where the page asks over HTTP.
OVER = r"status of 401 .*/_idle/"


async def heard(page: Page, *names: str) -> list[dict[str, Any]]:
    """The client's events in a page so far; all, or those of these names."""
    events: list[dict[str, Any]] = await page.evaluate("heard")
    return [event for event in events if not names or event["name"] in names]


async def greeted(page: Page) -> None:
    """Wait until a page's client has heard from the server."""
    await until(lambda: heard(page, "state"))


def prompt_in(page: Page) -> Locator:
    """The prompt, if it is shown."""
    return page.get_by_role("dialog", name="about to be signed out")


def cover_in(page: Page) -> Locator:
    """The cover that says that the session is over, if it is shown."""
    return page.get_by_role("dialog", name="You have been signed out")


def veil_in(page: Page) -> Locator:
    """The cover that is shown while nobody knows whether the session is over."""
    return page.get_by_role("dialog", name="Checking whether you are still signed in…")


async def on_top(page: Page) -> str:
    """The element that is seen and can be clicked all over a page: its name, in small letters."""
    names: list[str] = await page.evaluate(
        """() => [0.05, 0.5, 0.95].flatMap((x) => [0.05, 0.5, 0.95].map((y) =>
          document.elementFromPoint(x * innerWidth, y * innerHeight).localName))"""
    )
    return names[0] if len(set(names)) == 1 else "several"


async def is_undisturbed(page: Page) -> bool:
    """Whether the page has shown nothing of the client's."""
    return (
        not await heard(page, "warning", "ended") and not await page.locator("quart-idle").count()
    )
