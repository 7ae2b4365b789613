"""What was typed into a marked form, in a real browser: kept, restored, discarded, sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Locator, Page, expect

from tests.helpers.app import HIDDEN_IN_FORMS
from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, prompt_in
from tests.helpers.visits import UNTOUCHED
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

DRAFTS = {"drafts": True}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# Not to be kept, whatever is typed into it.
PRIVATE = ["Password", "Card", "Code", "Check", "Nickname"]


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
            *("", "", "", "", "", "csrf-token"),
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


# Elements that hold a value in their own way, and one that tells nobody.
OWN_ELEMENTS = """() => {
  customElements.define("own-note", class extends HTMLElement {
    static formAssociated = true;
    constructor() {
      super();
      this.internals = this.attachInternals();
      this.attachShadow({ mode: "open" }).innerHTML = "<input aria-label='Own note'>";
    }
    get name() { return "own-note"; }
    get value() { return this.shadowRoot.firstChild.value; }
    set value(text) { this.shadowRoot.firstChild.value = text; }
  });
  customElements.define("own-inner", class extends HTMLElement {
    constructor() {
      super();
      const form = "<form><input aria-label='Own inner'></form>";
      this.attachShadow({ mode: "open" }).innerHTML = form;
    }
    get value() { return this.shadowRoot.querySelector("input").value; }
    set value(text) { this.shadowRoot.querySelector("input").value = text; }
  });
  customElements.define("own-secret", class extends HTMLElement {
    constructor() {
      super();
      const input = "<input type=password aria-label='Own secret'>";
      this.attachShadow({ mode: "open" }).innerHTML = input;
    }
    get value() { return this.shadowRoot.firstChild.value; }
  });
  customElements.define("own-filled", class extends HTMLElement {
    constructor() {
      super();
      const inner = this.attachShadow({ mode: "open" }).appendChild(document.createElement("p"));
      inner.attachShadow({ mode: "open" }).innerHTML = "<input type=password value=filled>";
    }
    get value() { return this.shadowRoot.firstChild.shadowRoot.firstChild.value; }
  });
  document.forms[0].insertAdjacentHTML("beforeend",
    `<own-note></own-note><own-inner name="own-inner"></own-inner>
    <own-secret name="own-secret"></own-secret> <own-filled name="own-filled"></own-filled>
    <div contenteditable role="textbox" aria-label="Editor"></div>`);
}"""


# As an element does that shows the password: another field has it then.
SHOW_IN_ANOTHER = """() => {
  const root = document.querySelector("own-secret").shadowRoot;
  const { value } = root.firstChild;
  root.innerHTML = "<input aria-label='Own secret'>";
  root.firstChild.value = value;
}"""


async def test_elements_of_one_s_own_are_kept_where_they_have_a_value_and_asked_about_where_not(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    asked = await asked_in(page)
    await page.evaluate(OWN_ELEMENTS)
    for what in ("note", "inner", "secret"):
        await page.get_by_label(f"Own {what}").press_sequentially(f"my {what}")
    await page.evaluate(SHOW_IN_ANOTHER)
    await browser.blank()
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert [field for field in draft["fields"] if field[0].startswith("own-")] == [
        ["own-note", "my note"],
        ["own-inner", "my inner"],
    ]
    await page.bring_to_front()
    await page.goto(f"{server.url}/form")
    assert asked == []
    await page.evaluate(OWN_ELEMENTS)
    await offer_in(page).get_by_role("button", name="Restore").click()
    await expect(page.get_by_label("Own note")).to_have_value("my note")
    await expect(page.get_by_label("Own inner")).to_have_value("my inner")
    await page.get_by_label("Editor").press_sequentially("lost")
    await page.goto(f"{server.url}/page")
    assert asked == ["beforeunload"]


async def test_no_name_of_a_field_a_form_or_a_global_gets_in_the_client_s_way(
    serve: Serve, browser: Browser
) -> None:
    server = serve({**UNTOUCHED, **DRAFTS, "sign_in_url": "/page?again"})
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/names")
    # By hand, since Playwright's own locators stumble over these names.
    field = "document.querySelector(`form [name=${name}]`)"
    for name in HIDDEN_IN_FORMS:
        await page.evaluate(f"(name) => {field}.focus()", name)
        await page.keyboard.insert_text(f"my {name}")
    ours = "document.querySelector('quart-idle')?.shadowRoot.querySelector"
    await until(lambda: page.evaluate(f"{ours}('.prompt').open"))
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert draft["fields"] == [[name, f"my {name}"] for name in HIDDEN_IN_FORMS]
    await until(lambda: page.evaluate(f"{ours}('.cover').open"))
    await page.evaluate(f"{ours}('.cover button').click()")
    await page.wait_for_url("**/page?again")
    await sign_in(browser, server.url)
    await page.goto(f"{server.url}/names")
    await until(lambda: page.evaluate(f"{ours}('section')"))
    await page.evaluate(f"{ours}('section button').click()")
    for name in HIDDEN_IN_FORMS:
        assert await page.evaluate(f"(name) => {field}.value", name) == f"my {name}"


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


# As React does: it hides a field's property to see what scripts set, and takes an event for input
# only if the value is another than it knows; boxes change by a click.
CONTROLLED = """() => {
  window.seen = {};
  let rendered = {};
  // What a handler sees is what was rendered, in a microtask, for the one before.
  const take = (name, value) => {
    window.seen = { ...rendered, [name]: value };
    queueMicrotask(() => (rendered = window.seen));
  };
  const control = (field, property, type) => {
    const prototype = Object.getPrototypeOf(field);
    const { get, set } = Object.getOwnPropertyDescriptor(prototype, property);
    let known = field[property];
    Object.defineProperty(field, property, {
      configurable: true,
      get() { return get.call(this); },
      set(value) { known = value; set.call(this, value); },
    });
    field.addEventListener(type, () => {
      const value = get.call(field);
      if (value !== known) take(field.name, (known = value));
    });
  };
  control(document.forms[0].elements.text, "value", "input");
  control(document.forms[0].elements.tag[0], "checked", "click");
}"""


async def test_restoring_reaches_fields_that_a_framework_controls(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await write_letter(page)
    await page.goto(f"{server.url}/form")
    await page.evaluate(CONTROLLED)
    await offer_in(page).get_by_role("button", name="Restore").click()
    assert await page.evaluate("seen") == {
        "text": "Two lines,\nof which this is one.",
        "tag": True,
    }
    assert await has_letter(page)


async def asked_in(page: Page) -> list[str]:
    """The questions by which the browser holds on to what was typed."""
    asked: list[str] = []

    async def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", leave)
    return asked


async def test_what_is_typed_where_the_client_s_part_for_drafts_cannot_be_had_is_asked_about(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    browser.provoke("ERR_FAILED")
    page = await browser.blank()
    tried: list[str] = []

    async def fail(route: Any) -> None:
        tried.append(route.request.url)
        await route.abort()

    await page.route("**/drafts.js", fail)
    await page.goto(f"{server.url}/form")
    await until(lambda: tried)
    asked = await typed_and_asked(page)
    await page.keyboard.press("Tab")
    await page.goto("about:blank")
    assert asked == ["beforeunload"]
    assert len(tried) <= 3  # not for each key


async def typed_and_asked(page: Page) -> list[str]:
    """Type by hand; the questions by which the browser holds on to it."""
    await page.locator("[name=line]").nth(0).click()
    await page.keyboard.type("Dear Eve")
    return await asked_in(page)
