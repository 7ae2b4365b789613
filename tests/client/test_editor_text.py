"""The text of elements that are edited in place: its lines, its marks, and what nobody can read."""

from __future__ import annotations

from playwright.async_api import expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.typed import DRAFTS, asked_in, drafts, offer_in
from tests.helpers.visits import sign_in
from tests.helpers.waiting import until

# What browsers make of typing and pasting, and the lines that a user sees.
TEXTS = {
    "plain": ("one<div>two</div><div><br></div><div>four</div>", "one\ntwo\n\nfour"),
    "begun-empty": ("<div><br></div><div>two</div>", "\ntwo"),
    "broken": ("one<br>two<br><br>four", "one\ntwo\n\nfour"),
    "kept-open": ("one<br>", "one"),
    "empty-end": ("one<br><br>", "one\n\n"),
    "listed": ("<ul><li>one</li><li>two<ul><li>three</li></ul></li></ul>", "one\ntwo\nthree"),
    "table": (
        "<table><tbody><tr><td>1</td><td>2</td></tr><tr><td>3</td><td>4</td></tr></tbody></table>",
        "1\n2\n3\n4",
    ),
    "quoted": ("<p>one <b>b</b>old</p><blockquote>two</blockquote>", "one bold\ntwo"),
}

FILL = """(texts) => {
  const form = document.forms[0];
  for (const [name, html] of texts) {
    const editor = `<div contenteditable data-quart-idle-field="${name}"></div>`;
    form.insertAdjacentHTML("beforeend", editor);
    form.lastElementChild.innerHTML = html;
    form.lastElementChild.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""


async def test_the_lines_that_a_user_sees_in_an_editor_are_kept_and_come_back(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    asked = await asked_in(page)
    await page.evaluate(FILL, [(name, html) for name, (html, _) in TEXTS.items()])
    await browser.blank()
    (draft,) = await until(lambda: drafts(browser, server.url))
    kept = {name: text for name, text in draft["fields"] if name in TEXTS}
    assert kept == {name: text for name, (_, text) in TEXTS.items()}
    await page.bring_to_front()
    await page.goto(f"{server.url}/form")
    assert asked == []
    await page.evaluate(FILL, [(name, "") for name in TEXTS])
    await offer_in(page).get_by_role("button", name="Restore").click()
    for name, (_, text) in TEXTS.items():
        field = page.locator(f"[data-quart-idle-field={name}]")
        await expect(field).to_have_js_property("innerText", text)
        assert await field.locator(":not(br)").count() == 0


# A mark without a name is none, and one around the form is not about the form's fields; an
# element that is marked, holds no value and cannot be edited is nobody's field.
MARKS = """() => {
  const form = document.forms[0];
  form.parentElement.setAttribute("data-quart-idle-field", "outer");
  form.insertAdjacentHTML("beforeend",
    `<div data-quart-idle-field=""><input name="within-blank" aria-label="Within blank"></div>
    <div data-quart-idle-field="wrapper"><div contenteditable aria-label="Wrapped" role="textbox">
    </div></div>`);
}"""


async def test_a_mark_without_a_name_or_around_the_form_hides_no_field(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    await page.evaluate(MARKS)
    await page.get_by_label("Within blank").press_sequentially("typed")
    await page.get_by_label("Text").press_sequentially("a letter")
    await browser.blank()
    (draft,) = await until(lambda: drafts(browser, server.url))
    fields = dict(map(tuple, draft["fields"]))
    assert (fields["within-blank"], fields["text"]) == ("typed", "a letter")
    assert {"", "outer", "wrapper"}.isdisjoint(fields)


async def test_what_is_typed_into_a_marked_element_that_holds_no_value_is_asked_about(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    asked = await asked_in(page)
    await page.evaluate(MARKS)
    await page.get_by_label("Wrapped").press_sequentially("lost")
    await page.goto(f"{server.url}/page")
    assert asked == ["beforeunload"]
