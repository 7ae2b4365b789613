"""What users type, what is kept of it, and the questions that hold on to it."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page

from tests.helpers.browser import Browser

DRAFTS = {"drafts": True}

# Not to be kept, whatever is typed into it.
PRIVATE = ["Password", "Card", "Code", "Check", "Nickname"]


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
            *("", "", "", "", "", "csrf-token"),
        ]
    )


def offer_in(page: Page) -> Locator:
    return page.get_by_role("region", name="You have unsent changes from")


async def asked_in(page: Page) -> list[str]:
    """The questions by which the browser holds on to what was typed."""
    asked: list[str] = []

    async def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", leave)
    return asked


async def typed_and_asked(page: Page) -> list[str]:
    """Type by hand; the questions by which the browser holds on to it."""
    await page.locator("[name=line]").nth(0).click()
    await page.keyboard.type("Dear Eve")
    return await asked_in(page)
