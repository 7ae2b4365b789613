"""What becomes of the page behind prompt and cover, in a real browser."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, on_top, prompt_in
from tests.helpers.visits import end_by_time, open_letter
from tests.helpers.waiting import until

# What has a state of its own that layout, style or a load may lose, and what insists on being seen.
FURNISH = """() => {
  document.querySelector("main").insertAdjacentHTML("beforeend", `
    <div id="box" style="height: 5em; overflow: auto"><div style="height: 50em">Boxed</div></div>
    <div id="moving">Moving</div> <p id="loud">Loud</p>
    <iframe id="frame" title="Frame" src="/frame"></iframe>
    <div style="height: 300vh"></div>`);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    #moving { animation: move 100s linear } @keyframes move { to { margin-left: 50% } }
    main #loud { visibility: visible !important }`);
  document.adoptedStyleSheets.push(sheet);
  const frame = document.querySelector("#frame");
  window.happened = [];
  frame.onload = () => {
    happened.push("loaded");
    frame.contentDocument.body.style.height = "200vh";
    frame.contentWindow.scrollTo(0, 40);
  };
  for (const type of ["scroll", "resize"]) addEventListener(type, () => happened.push(type));
  new ResizeObserver(() => happened.push("reshaped")).observe(document.querySelector("main"));
  document.querySelector("#box").scrollTop = 50;
  const field = document.querySelector("[name=search]");
  field.value = "unsaved";
  field.focus({ preventScroll: true });
  field.setSelectionRange(2, 4, "backward");
  scrollTo(0, 120);
  window.moving = document.querySelector("#moving").getAnimations()[0];
}"""

STATE = """() => {
  const field = document.querySelector("[name=search]");
  const frame = document.querySelector("#frame").contentWindow;
  return {
    scrolled: [scrollY, document.querySelector("#box").scrollTop, frame.scrollY],
    shape: document.querySelector("main").getBoundingClientRect(),
    focus: [document.activeElement === field, field.value],
    selected: [field.selectionStart, field.selectionEnd, field.selectionDirection],
    moves: document.querySelector("#moving").getAnimations()[0] === window.moving,
    happened: happened.join(" "),
    body: document.body.style.visibility,
  };
}"""


def hidden_in(page: Page, *selectors: str) -> Any:
    """Which of these are hidden."""
    return page.evaluate(
        "(all) => all.filter((s) => !document.querySelector(s).checkVisibility({"
        "visibilityProperty: true }))",
        list(selectors),
    )


async def test_while_it_is_covered_nothing_of_a_page_is_to_be_had_and_then_it_is_as_it_was(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await page.evaluate(FURNISH)
    await until(lambda: _settled(page))
    await page.wait_for_timeout(200)
    await page.evaluate("() => { happened.length = 0; }")
    state = await page.evaluate(STATE)
    began = await page.evaluate("moving.currentTime")
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()

    parts = ["h1", "main", "#moving", "#loud", "#frame", "[name=search]"]
    assert await hidden_in(page, *parts) == parts
    cdp = await browser.context.new_cdp_session(page)
    nodes = (await cdp.send("Accessibility.getFullAXTree"))["nodes"]
    said = str([node for node in nodes if not node["ignored"]])
    assert "You have been signed out" in said
    assert "Signed in as" not in said
    # The markup alone says it, to what reads a copy of the page.
    assert await page.locator("body[style*='visibility: hidden']").count() == 1
    for key in ("PageDown", "End", "Tab", "Tab", "Tab"):
        await page.keyboard.press(key)
    await page.mouse.move(300, 200)
    await page.mouse.wheel(0, 200)
    await page.wait_for_timeout(100)
    now = await page.evaluate(STATE)
    assert {**now, "focus": 0, "body": 0} == {**state, "focus": 0, "body": 0}

    await browser.post(f"{server.url}/sign-in/ada")
    await page.evaluate("dispatchEvent(new Event('focus'))")
    await expect(cover_in(page)).to_be_hidden()
    assert await page.evaluate(STATE) == state
    assert await page.evaluate("moving.currentTime") > began
    assert await hidden_in(page, *parts) == []

    # What was selected before cannot be copied meanwhile.
    await page.evaluate("getSelection().selectAllChildren(document.querySelector('main'))")
    assert "Signed in as" in await page.evaluate("getSelection().toString()")
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    for key in ("", "Control+a"):
        if key:
            await page.keyboard.press(key)
        assert "Signed in as" not in await page.evaluate("getSelection().toString()")
    assert not await page.evaluate("find('Signed in as', false, false, true)")


async def _settled(page: Page) -> bool:
    state = await page.evaluate(STATE)
    return bool(state["scrolled"] == [120, 50, 40] and state["focus"][0])


async def test_a_page_that_is_put_in_place_of_a_covered_one_is_covered_too(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"timeout": 600})
    page = await open_letter(browser, server.url)
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    await page.evaluate(
        """() => {
          document.documentElement.innerHTML = "<body><h1>Another</h1></body>";
          document.adoptedStyleSheets = [];
        }"""
    )
    await until(lambda: page.locator("body[style]").count())
    assert await on_top(page) == "quart-idle"
    assert await hidden_in(page, "h1") == ["h1"]


async def test_the_page_behind_the_prompt_does_not_move(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 123, "warning": 120})
    page = await open_letter(browser, server.url)
    await page.evaluate("document.body.style.minHeight = '300vh'")
    text = page.get_by_role("heading", level=1)
    place = await text.bounding_box()
    await expect(prompt_in(page)).to_be_visible()
    await page.mouse.move(20, 20)
    await page.mouse.wheel(0, 300)
    await page.keyboard.press("End")
    await page.wait_for_timeout(200)
    assert await text.bounding_box() == place
    assert await page.evaluate("scrollY") == 0
    await prompt_in(page).get_by_role("button").click()
    await expect(prompt_in(page)).to_be_hidden()
    await page.mouse.wheel(0, 300)
    await until(lambda: page.evaluate("scrollY > 0"))


async def test_what_is_folded_out_behind_the_prompt_does_not_open_it_anew(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 120.5, "warning": 120})
    page = await open_letter(browser, server.url)
    await expect(prompt_in(page)).to_be_visible()
    await page.evaluate(
        """() => {
          const { showModal } = HTMLDialogElement.prototype;
          window.shown = 0;
          HTMLDialogElement.prototype.showModal = function () { ++shown; showModal.call(this); };
          document.body.insertAdjacentHTML("beforeend",
            "<details><summary>More</summary>Text</details> <p popover=manual>Popped</p>");
          window.toggled = 0;
          document.addEventListener("toggle", () => ++toggled, true);
          document.querySelector("details").open = true;
        }"""
    )
    await until(lambda: page.evaluate("toggled"))
    assert await page.evaluate("shown") == 0
    await page.evaluate("document.querySelector('[popover]').showPopover()")
    await until(lambda: page.evaluate("shown"))
    assert await on_top(page) == "quart-idle"


async def test_what_the_prompt_says_can_be_selected_and_a_click_takes_the_focus_from_no_button(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 120.5, "warning": 120})
    page = await open_letter(browser, server.url)
    prompt = prompt_in(page)
    await expect(prompt.get_by_role("button")).to_be_focused()
    await page.mouse.click(5, 5)
    await expect(prompt.get_by_role("button")).to_be_focused()
    await prompt.get_by_role("heading").click(click_count=3)
    assert "about to be signed out" in await page.evaluate("getSelection().toString()")
    await page.keyboard.press("Escape")
    await expect(prompt).to_be_hidden()
