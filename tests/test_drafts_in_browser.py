"""What was typed into a marked form, in a real browser: kept, restored, discarded, sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Locator, Page, expect

from .browser import Browser, cover_in, prompt_in, until
from .conftest import Server
from .test_browser import UNTOUCHED, browser

__all__ = ["browser"]

Serve = Callable[..., Server]

DRAFTS = {"drafts": True}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# Not to be kept, whatever is typed into it.
PRIVATE = ["Password", "Card", "Code", "Nickname"]


async def sign_in(browser: Browser, url: str, user: str = "ada") -> None:
    await browser.post(f"{url}/sign-in/{user}")


async def drafts(browser: Browser, url: str) -> list[dict[str, Any]]:
    """What the server keeps for whoever is signed in."""
    found: list[dict[str, Any]] = (await browser.get(f"{url}/_idle/drafts"))["drafts"]
    return found


async def write_letter(page: Page) -> None:
    lines = page.locator("[name=line]")
    await lines.nth(0).fill("Dear Bob")
    await lines.nth(1).fill("London")
    await page.get_by_label("Text").fill("Two lines,\nof which this is one.")
    await page.get_by_label("Urgent").check()
    await page.get_by_label("Secret").uncheck()
    await page.get_by_label("Copies").select_option(["Eve"])
    for label in PRIVATE:
        await page.get_by_label(label).fill("private")


async def has_letter(page: Page) -> bool:
    """Whether the page has all of it that may be kept, and nothing else."""
    values = await page.evaluate(
        """() => [...document.forms[0].elements].filter((e) => e.name).map((e) =>
          e.type === "checkbox" ? e.checked : e.multiple ? e.selectedOptions[0]?.value : e.value)"""
    )
    return bool(
        values
        == [
            *("Dear Bob", "London", "Two lines,\nof which this is one.", True, False, "Eve"),
            *("", "", "", "", "csrf-token"),
        ]
    )


async def picture(page: Page, name: str) -> None:
    """A picture in light and dark, where they are asked for."""
    if folder := os.environ.get("QUART_IDLE_SCREENSHOTS"):
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=Path(folder) / f"{name}-{scheme}.png")


def offer_in(page: Page) -> Locator:
    return page.get_by_role("region", name="You have unsent changes from before.")


async def test_what_was_typed_is_kept_when_the_session_ends_and_restored_to_its_user_only(
    serve: Serve, browser: Browser
) -> None:
    server = serve({**UNTOUCHED, **DRAFTS})
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    # A password is one while it is shown, too.
    await page.evaluate("document.querySelector('[name=password]').type = 'text'")
    await write_letter(page)
    await expect(prompt_in(page)).to_be_visible()
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert (draft["form"], draft["page"]) == ("letter", "/form")
    assert [name for name, _ in draft["fields"]] == ["line", "line", "text", "tag", "copy"]
    await expect(cover_in(page)).to_be_visible()
    await page.close(run_before_unload=False)

    await sign_in(browser, server.url, "bob")
    page = await browser.open(f"{server.url}/form")
    assert await drafts(browser, server.url) == []
    await page.wait_for_timeout(300)
    await expect(offer_in(page)).to_be_hidden()
    await page.close()

    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.set_viewport_size({"width": 800, "height": 560})
    await expect(offer_in(page)).to_be_visible()
    await picture(page, "draft")
    await offer_in(page).get_by_role("button", name="Restore").click()
    await expect(offer_in(page)).to_be_hidden()
    assert await has_letter(page)
    await picture(page, "restored")
    # Sent off, it is kept no longer.
    await page.get_by_role("button", name="Send").click()
    await until(lambda: _none(browser, server.url))


async def _none(browser: Browser, url: str) -> bool:
    return not await drafts(browser, url)


async def test_what_was_typed_is_kept_when_the_page_is_hidden_and_can_be_discarded(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.locator("[name=line]").nth(0).fill("Dear Eve")
    assert await drafts(browser, server.url) == []
    await browser.blank()  # in front of it
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert ["line", "Dear Eve"] in draft["fields"]
    await page.bring_to_front()
    await page.goto(f"{server.url}/form")  # what is kept need not be asked for
    await page.get_by_label("Text").fill("Another")
    await offer_in(page).get_by_role("button", name="Discard").click()
    await until(lambda: _none(browser, server.url))
    # What was typed in the meantime is not discarded.
    await browser.blank()
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert ["text", "Another"] in draft["fields"]
    await page.bring_to_front()
    await page.reload()
    await offer_in(page).get_by_role("button", name="Discard").click()
    await until(lambda: _none(browser, server.url))
    await page.reload()
    await expect(page.locator("[name=line]").nth(0)).to_have_value("")
    await page.wait_for_timeout(300)
    await expect(offer_in(page)).to_be_hidden()


@pytest.mark.parametrize("status", [503, 413])
async def test_what_could_not_be_kept_is_not_left_without_asking(
    serve: Serve, browser: Browser, status: int
) -> None:
    browser.provoke(rf"status of {status}")
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.route("**/_idle/drafts*", lambda route: route.fulfill(status=status))
    asked = await typed_and_asked(page)
    await browser.blank()
    await page.wait_for_timeout(300)
    await page.bring_to_front()
    await page.goto(f"{server.url}/page")
    assert asked == ["beforeunload"]


async def test_what_was_typed_before_a_sign_out_elsewhere_is_not_left_without_asking(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(r"status of 401")
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    asked = await typed_and_asked(page)
    await browser.post(f"{server.url}/sign-out")
    await cover_in(page).get_by_role("button", name="Sign in again").click()
    await page.wait_for_load_state()
    await until(lambda: asked == ["beforeunload"])


async def typed_and_asked(page: Page) -> list[str]:
    """Type by hand; the questions by which the browser holds on to it."""
    await page.locator("[name=line]").nth(0).click()
    await page.keyboard.type("Dear Eve")
    asked: list[str] = []

    async def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", leave)
    return asked
