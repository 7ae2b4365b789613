"""``examples/pages`` and ``examples/drafts`` in a real browser, as their guides say."""

from __future__ import annotations

from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import OVER, greeted, prompt_in
from tests.helpers.waiting import until

QUICK = "tests.helpers.quick_pages:app"


async def test_a_page_with_a_prompt_of_its_own_warns_extends_and_says_goodbye(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target=QUICK)
    await browser.post(f"{server.url}/hurry")
    page = await browser.open(f"{server.url}/own-prompt")
    bar = page.get_by_role("alert")
    await expect(bar).to_be_visible()
    await expect(prompt_in(page)).to_be_hidden()
    await bar.get_by_role("button", name="Stay signed in").click()
    await expect(bar).to_be_hidden()
    await browser.context.request.post(f"{server.url}/sign-out")
    await page.wait_for_url("**/goodbye?why=signed%20out")
    await expect(page.get_by_text("You have been signed out: signed out.")).to_be_visible()


async def test_a_single_page_application_signs_in_and_out_without_loading_a_page(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(r"status of 401 .*/api/me")
    browser.provoke(OVER)
    server = serve(target=QUICK)
    page = await browser.blank(f"{server.url}/single-page")
    await page.evaluate("window.mark = 'kept'")
    for name in ("Ada", "Bob"):
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading")).to_have_text(f"Hello {name}")
        await greeted(page)
        await page.evaluate("heard.length = 0")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Name")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_be_hidden()
    assert await page.evaluate("window.mark") == "kept"


async def test_what_was_typed_into_the_example_s_form_is_offered_after_the_session_has_ended(
    serve: Serve, browser: Browser
) -> None:
    server = serve(target="examples.drafts:app")
    page = await browser.blank(f"{server.url}/sign-in")
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    await greeted(page)
    await page.get_by_label("Comment").fill("Half a page")
    await page.get_by_label("Password").fill("secret")
    await page.goto("about:blank")

    async def kept() -> object:
        return (await browser.get(f"{server.url}/_idle/drafts"))["drafts"]

    assert "secret" not in str(await until(kept))
    await browser.context.request.post(f"{server.url}/sign-out")
    await page.goto(server.url)
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Sign in").click()
    offer = page.get_by_role("region", name="You have unsent changes from")
    await offer.get_by_role("button", name="Restore").click()
    await expect(page.get_by_label("Comment")).to_have_value("Half a page")
    await expect(page.get_by_label("Password")).to_have_value("")
