"""What is never kept of what was typed, in a real browser."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Page

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

# A form that comes later. Its passwords are shown by buttons that take no focus (Safari gives them
# none), before anything is typed; one of them is in a shadow root.
LATER = """() => {
  document.body.insertAdjacentHTML("beforeend", `
    <form data-quart-idle-draft="later">
      <label>Plain <input name="plain"></label>
      <label>Shown <input type="password" name="shown"></label> <button type="button">Show</button>
      <label>Account <input name="account" data-quart-idle-secret></label>
      <fieldset data-quart-idle-secret><label>Answer <input name="answer"></label></fieldset>
      <label>Next <input name="next" autocomplete="SECTION-x New-Password"></label>
      <label>Once <input name="once" autocomplete="Section-Y ONE-TIME-CODE webauthn"></label>
    </form><div id="host"></div>`);
  const host = document.querySelector("#host");
  host.attachShadow({ mode: "open" }).innerHTML = `
    <form data-quart-idle-draft="deep">
      <label>Deep <input name="deep"></label>
      <label>Hidden <input type="password" name="hidden"></label>
      <button type="button">Show it</button>
    </form>`;
  for (const root of [document, host.shadowRoot])
    for (const button of root.querySelectorAll("button[type=button]")) {
      button.onmousedown = (event) => event.preventDefault();
      button.onclick = () => {
        for (const field of root.querySelectorAll("[type=password]")) field.type = "text";
      };
    }
}"""


async def form_in(browser: Browser, url: str) -> Page:
    await browser.post(f"{url}/sign-in/ada")
    return await browser.open(f"{url}/form")


async def test_what_is_private_is_not_kept_however_it_says_so_and_whenever_it_comes(
    serve: Serve, browser: Browser
) -> None:
    server = serve({"drafts": True})
    page = await form_in(browser, server.url)
    await page.evaluate(LATER)
    await page.get_by_role("button", name="Show", exact=True).click()
    await page.get_by_role("button", name="Show it").click()
    for label in ("Plain", "Shown", "Account", "Answer", "Next", "Once", "Deep", "Hidden"):
        await page.get_by_label(label, exact=True).press_sequentially(f"my {label.lower()}")
    await browser.blank()

    async def both() -> Any:
        kept = (await browser.get(f"{server.url}/_idle/drafts"))["drafts"]
        return kept if len(kept) == 2 else None

    fields = {draft["form"]: draft["fields"] for draft in await until(both)}
    assert fields == {"later": [["plain", "my plain"]], "deep": [["deep", "my deep"]]}


async def test_text_around_a_password_is_text(serve: Serve, browser: Browser) -> None:
    server = serve({"drafts": True})
    page = await form_in(browser, server.url)
    await page.evaluate(
        """() => document.forms[0].insertAdjacentHTML("beforeend",
          `<div contenteditable role="textbox" aria-label="Editor">Text
          <input type="password" aria-label="Within"></div>`)"""
    )
    asked: list[str] = []

    async def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        await dialog.accept()

    page.on("dialog", leave)
    await page.get_by_label("Within").press_sequentially("secret")
    await page.get_by_label("Editor").evaluate("(editor) => editor.focus()")
    await page.keyboard.type("lost")
    await page.goto(f"{server.url}/page")
    # It cannot be kept, and is no secret: it is asked about.
    assert asked == ["beforeunload"]
