"""The bar by which a draft is offered: where it stands, which form it names, what it says."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.typed import DRAFTS, drafts, offer_in
from tests.helpers.visits import sign_in
from tests.helpers.waiting import until

# Forms that name themselves in the ways that there are; one is in a dialog, one has no name.
FORMS = """() => {
  document.body.innerHTML = `<h1>Forms</h1>
    <form data-quart-idle-draft="labelled" aria-label="Feedback"><input name="text"></form>
    <h2 id="heading">An\\n address</h2>
    <form data-quart-idle-draft="by id" aria-labelledby="heading"><input name="text"></form>
    <form data-quart-idle-draft="group">
      <fieldset><legend>Payment</legend><input name="text"></fieldset></form>
    <form data-quart-idle-draft="groups">
      <fieldset><legend>One</legend><input name="text"></fieldset>
      <fieldset><legend>Two</legend></fieldset></form>
    <dialog><form data-quart-idle-draft="headed" title="no"><h3>A reply</h3>
      <input name="text"></form></dialog>`;
  document.querySelector("dialog").showModal();
}"""
TITLES = {
    "labelled": "Feedback",
    "by id": "An address",
    "group": "Payment",
    "groups": "",
    "headed": "A reply",
}


async def test_an_offer_stands_in_front_of_the_form_that_it_names(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    for form in TITLES:
        await page.evaluate(
            """(form) => fetch("/_idle/drafts", { method: "POST", body: JSON.stringify(
              { form, page: "/form", fields: [["text", form]] }) })""",
            form,
        )
    await page.evaluate(FORMS)
    offers = page.locator("quart-idle-draft")
    await expect(offers).to_have_count(len(TITLES))
    found = await offers.evaluate_all(
        """(hosts) => hosts.map((host) => [
          host.nextElementSibling.getAttribute("data-quart-idle-draft"),
          host.shadowRoot.querySelector("bdi").textContent])"""
    )
    assert dict(found) == TITLES
    # In a modal dialog, too, it can be pressed: nothing of it is behind that.
    await offers.last.get_by_role("button", name="Restore").click()
    await expect(page.get_by_role("dialog").get_by_role("textbox")).to_have_value("headed")


async def test_an_offer_covers_nothing_comes_before_the_fields_and_hands_the_focus_to_them(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    page, offer = await _offered(serve=server.url, browser=browser)
    await page.set_viewport_size({"width": 320, "height": 480})
    below = await page.locator("form").bounding_box()
    own = await offer.bounding_box()
    assert below
    assert own
    assert own["y"] + own["height"] <= below["y"]
    assert own["x"] + own["width"] <= 320
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme)
        found = await Axe().run(page, context="quart-idle-draft")
        assert not found.response["violations"], found.generate_report()
        assert "Restore" in str(found.response["passes"])  # it has looked inside
    # From the top of the page by Tab alone.
    await page.keyboard.press("Tab")
    await expect(offer.get_by_role("button", name="Restore")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("Text")).to_be_focused()
    await expect(page.get_by_label("Text")).to_have_value("Dear Eve")
    said = page.get_by_role("region", name="Restored.").get_by_role("status")
    await expect(said).to_have_text("Restored.")
    # It takes no more room, so that the form is where it was without it.
    assert (await _box(page.locator("form")))["y"] < below["y"] - own["height"] / 2


async def test_an_offer_comes_back_where_a_script_takes_it_away_and_goes_with_its_form(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    page, offer = await _offered(serve=server.url, browser=browser)
    # As libraries do that make a page what its source says; and some put copies by.
    swap = """() => {
      const bar = document.querySelector("quart-idle-draft");
      bar.replaceWith(bar.cloneNode(true));
    }"""
    await page.wait_for_timeout(1000)
    await page.evaluate(swap)
    await expect(offer).to_be_visible()
    await expect(page.locator("quart-idle-draft")).to_have_count(1)
    await offer.get_by_role("button", name="Discard").click()
    await expect(offer.get_by_role("status")).to_have_text("Discarded.")
    await page.evaluate("document.forms[0].remove()")
    await expect(page.locator("quart-idle-draft")).to_have_count(0)


# The last input stays as near as it was when the page began.
STAND_STILL = """() => {
  for (const clock of [performance, Date]) {
    const { now } = clock;
    const began = now.call(clock);
    clock.now = () => (window.goesOn ? now.call(clock) : began);
  }
}"""


async def test_an_offer_moves_nothing_away_from_under_a_pointer_that_is_in_use(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.get_by_label("Text").fill("Dear Eve")
    await page.add_init_script(f"({STAND_STILL})()")
    async with page.expect_response("**/drafts?*"):
        await page.goto(f"{server.url}/form")
    await page.mouse.move(100, 100)
    await page.wait_for_timeout(1000)
    assert not await page.locator("quart-idle-draft").count()
    await page.evaluate("window.goesOn = true")
    await expect(offer_in(page)).to_be_visible()


async def _offered(serve: str, browser: Browser) -> tuple[Page, Locator]:
    """A page with an offer for the one form that it has."""
    await sign_in(browser, serve)
    page = await browser.open(f"{serve}/form")
    await page.get_by_label("Text").fill("Dear Eve")
    await browser.blank()
    await until(lambda: drafts(browser, serve))
    await page.bring_to_front()
    await page.goto(f"{serve}/form")
    await expect(offer_in(page)).to_be_visible()
    return page, offer_in(page)


async def _box(element: Locator) -> Any:
    return await element.bounding_box()


async def test_what_was_typed_before_an_older_draft_is_discarded_is_kept(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.get_by_label("Text").fill("old")
    other = await browser.blank()
    await until(lambda: drafts(browser, server.url))
    await page.bring_to_front()
    await page.goto(f"{server.url}/form")
    await expect(offer_in(page)).to_be_visible()
    await page.get_by_label("Text").fill("new")
    await other.bring_to_front()  # it is kept, in the place of the old
    await until(lambda: has_draft(browser, server.url, "new"))
    await page.bring_to_front()
    await offer_in(page).get_by_role("button", name="Discard").click()
    await until(lambda: has_none(browser, server.url))
    await other.bring_to_front()
    await until(lambda: has_draft(browser, server.url, "new"))


async def has_draft(browser: Browser, url: str, text: str) -> bool:
    return any(["text", text] in draft["fields"] for draft in await drafts(browser, url))


async def has_none(browser: Browser, url: str) -> bool:
    return not await drafts(browser, url)
