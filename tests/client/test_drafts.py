"""What was typed, kept by a real browser and put back into its forms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, prompt_in
from tests.helpers.typed import DRAFTS, drafts, has_letter, offer_in, write_letter
from tests.helpers.visits import UNTOUCHED, sign_in
from tests.helpers.waiting import until

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def picture(page: Page, name: str) -> None:
    """A picture in light and dark, where they are asked for."""
    if folder := os.environ.get("QUART_IDLE_SCREENSHOTS"):
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=Path(folder) / f"{name}-{scheme}.png")


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
    await until(lambda: no_drafts(browser, server.url))


async def no_drafts(browser: Browser, url: str) -> bool:
    return not await drafts(browser, url)


async def test_what_was_typed_is_offered_to_the_form_that_takes_the_place_of_its_own(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.get_by_label("Text").fill("Dear Eve")
    await page.evaluate(
        """() => {
          const next = document.forms[0].cloneNode(true);
          next.reset();
          document.forms[0].replaceWith(next);
        }"""
    )
    await expect(page.get_by_label("Text")).to_have_value("")
    await offer_in(page).get_by_role("button", name="Restore").click(timeout=3000)
    await expect(page.get_by_label("Text")).to_have_value("Dear Eve")


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
    await until(lambda: no_drafts(browser, server.url))
    # What was typed in the meantime is not discarded.
    await browser.blank()
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert ["text", "Another"] in draft["fields"]
    await page.bring_to_front()
    await page.reload()
    await offer_in(page).get_by_role("button", name="Discard").click()
    await until(lambda: no_drafts(browser, server.url))
    await page.reload()
    await expect(page.locator("[name=line]").nth(0)).to_have_value("")
    await page.wait_for_timeout(300)
    await expect(offer_in(page)).to_be_hidden()


async def test_an_offer_says_how_old_it_is_can_wait_and_its_discarding_can_be_undone(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.get_by_label("Text").fill("Dear Eve")
    await page.goto(f"{server.url}/form")
    offer = offer_in(page)
    await expect(offer.get_by_role("status")).to_have_text(
        "You have unsent changes from 1 minute ago."
    )
    await offer.get_by_role("button", name="Later").click()
    await expect(offer).to_be_hidden()
    await page.reload()
    await offer.get_by_role("button", name="Discard").click()
    await expect(offer.get_by_role("status")).to_have_text("Discarded.")
    await until(lambda: no_drafts(browser, server.url))
    await expect(offer.get_by_role("button", name="Undo")).to_be_focused()
    await page.keyboard.press("Enter")
    await until(lambda: _single(browser, server.url))
    await offer.get_by_role("button", name="Restore").click()
    await expect(page.get_by_label("Text")).to_have_value("Dear Eve")


async def test_a_draft_belongs_to_the_address_at_which_it_was_typed(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.get_by_label("Text").fill("one")
    # As htmx and Turbo do: another address, and another form of the same name.
    swap = """(address) => {
      history.pushState(null, "", address);
      const form = document.forms[0].cloneNode(true);
      form.reset();
      document.forms[0].replaceWith(form);
    }"""
    await page.evaluate(swap, "/form?two")
    await page.get_by_label("Text").fill("two")
    await browser.blank()
    kept = await until(lambda: _several(browser, server.url))
    assert {(draft["page"], dict(draft["fields"])["text"]) for draft in kept} == {
        ("/form", "one"),
        ("/form?two", "two"),
    }
    await page.bring_to_front()
    await page.evaluate(swap, "/form")
    await page.get_by_label("Subject").click()
    await offer_in(page).get_by_role("button", name="Restore").click()
    await expect(page.get_by_label("Text")).to_have_value("one")
    await page.get_by_role("button", name="Send").click()
    await until(lambda: _single(browser, server.url))
    (draft,) = await drafts(browser, server.url)
    assert draft["page"] == "/form?two"


async def test_where_no_page_is_loaded_the_next_user_is_offered_their_own_text_and_no_one_else_s(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    for user in ("bob", "ada"):
        await sign_in(browser, server.url, user)
        page = await browser.open(f"{server.url}/form")
        await page.get_by_label("Text").fill(f"{user}'s")
        await page.goto(f"{server.url}/form")
        await expect(offer_in(page)).to_be_visible()
    await sign_in(browser, server.url, "bob")
    await expect(cover_in(page)).to_be_visible()
    async with page.expect_response("**/drafts?*"):
        await page.evaluate("document.documentElement.quartIdle.restart()")
    await offer_in(page).get_by_role("button", name="Restore").click()
    await expect(page.get_by_label("Text")).to_have_value("bob's")
    await expect(offer_in(page)).to_be_hidden()


async def _several(browser: Browser, url: str) -> list[dict[str, Any]] | None:
    found = await drafts(browser, url)
    return found if len(found) == 2 else None


async def _single(browser: Browser, url: str) -> bool:
    return len(await drafts(browser, url)) == 1
