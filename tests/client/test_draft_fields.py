"""Fields of every kind keep what was typed, and take it back."""

from __future__ import annotations

from playwright.async_api import expect

from tests.helpers.app import HIDDEN_IN_FORMS
from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.typed import DRAFTS, asked_in, drafts, has_letter, offer_in, write_letter
from tests.helpers.visits import UNTOUCHED, sign_in
from tests.helpers.waiting import until

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
    await until(lambda: page.evaluate(f"{ours}('[part=prompt]').open"))
    (draft,) = await until(lambda: drafts(browser, server.url))
    assert draft["fields"] == [[name, f"my {name}"] for name in HIDDEN_IN_FORMS]
    await until(lambda: page.evaluate(f"{ours}('[part=cover]').open"))
    await page.evaluate(f"{ours}('[part=cover] button').click()")
    await page.wait_for_url("**/page?again&next=%2Fnames")
    await sign_in(browser, server.url)
    await page.goto(f"{server.url}/names")
    bar = "document.querySelector('quart-idle-draft')?.shadowRoot.querySelector('button')"
    await until(lambda: page.evaluate(bar))
    await page.evaluate(f"{bar}.click()")
    for name in HIDDEN_IN_FORMS:
        assert await page.evaluate(f"(name) => {field}.value", name) == f"my {name}"


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


# One that is edited in place, and one that holds markup in its own way; it tells by an event.
EDITORS = """() => {
  document.forms[0].insertAdjacentHTML("beforeend",
    `<div contenteditable data-quart-idle-field="body" role="textbox" aria-label="Body"></div>
    <div data-quart-idle-field="rich"><input name="search"></div>`);
  const rich = document.querySelector("[data-quart-idle-field=rich]");
  window.content = "";
  Object.defineProperty(rich, "value", {
    get: () => window.content,
    set: (html) => (window.content = html),
  });
  window.tell = (html) => {
    window.content = html;
    rich.dispatchEvent(new Event("input", { bubbles: true }));
  };
}"""


async def test_an_editor_that_is_marked_is_kept_and_its_text_comes_back_as_text_not_as_markup(
    serve: Serve, browser: Browser
) -> None:
    server = serve(DRAFTS)
    await sign_in(browser, server.url)
    page = await browser.open(f"{server.url}/form")
    asked = await asked_in(page)
    await page.evaluate(EDITORS)
    typed = "<img src=x onerror=alert(1)>\nBob,\n\nhello"
    await page.get_by_label("Body").click()
    for at, line in enumerate(typed.split("\n")):
        if at:
            await page.keyboard.press("Enter")
        await page.keyboard.type(line)
    await page.evaluate("tell('<b>Bob</b>')")
    await browser.blank()
    (draft,) = await until(lambda: drafts(browser, server.url))
    fields = dict(map(tuple, draft["fields"]))
    assert (fields["body"], fields["rich"], "search" in fields) == (typed, "<b>Bob</b>", False)
    await page.bring_to_front()
    await page.goto(f"{server.url}/form")
    assert asked == []
    await page.evaluate(EDITORS)
    await offer_in(page).get_by_role("button", name="Restore").click()
    await until(lambda: page.evaluate("content === '<b>Bob</b>'"))
    body = page.get_by_label("Body")
    assert await body.evaluate("(element) => element.innerText") == typed
    assert await body.locator("img").count() == 0
