"""Pages of React, Vue and Alpine, as the guide has them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, WebSocket, expect

from tests.helpers.browser import Browser
from tests.helpers.npm import FRAMEWORKS, from_npm
from tests.helpers.servers import Serve
from tests.helpers.shown import OVER, cover_in, greeted, on_top, prompt_in
from tests.helpers.typed import asked_in, drafts, offer_in
from tests.helpers.waiting import until

pytestmark = pytest.mark.npm

LETTER = {"text": "Dear Bob,\nhow are you?", "urgent": True, "copy": "Eve"}
BLANK = {"text": "", "urgent": False, "copy": ""}

_SOURCE = Path(__file__).parents[2] / "examples" / "pages" / "static" / "react.jsx"


@pytest.fixture(scope="module")
def node_modules(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """npm's folder, with what is built of the example's own code."""
    installed = from_npm(FRAMEWORKS, pytestconfig, tmp_path_factory)
    folder = tmp_path_factory.mktemp("frameworks")
    (folder / "node_modules").mkdir()
    for package in installed.iterdir():
        (folder / "node_modules" / package.name).symlink_to(package)
    # Its imports are looked for from where it is.
    for source in (_SOURCE, _SOURCE.with_name("api.js")):
        shutil.copy(source, folder)
    command = [
        *(str(installed / ".bin" / "esbuild"), "react.jsx", "--bundle", "--jsx=automatic"),
        *("--external:/_idle/*", "--format=esm", "--outfile=node_modules/react-page.js"),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "node_modules"


async def go(page: Page, name: str) -> None:
    await page.get_by_role("link", name=name).click()
    await expect(page.get_by_role("heading")).to_have_text(f"{name.lower()} of Ada")


async def sign_in(page: Page, name: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading")).to_have_text(f"notes of {name}")


async def write_letter(page: Page) -> None:
    await page.get_by_label("Text").press_sequentially("Dear Bob,\nhow are you?")
    await page.get_by_label("Urgent").check()
    await page.get_by_label("Copy to").select_option("Eve")


async def letter(page: Page) -> Any:
    """What the framework knows of the form."""
    return json.loads(await page.locator("output").inner_text())


@pytest.mark.parametrize("framework", ["react", "vue", "alpine"])
async def test_a_framework_s_page_has_one_socket_and_gets_drafts_back_into_its_own_state(
    serve: Serve, browser: Browser, node_modules: Path, framework: str
) -> None:
    browser.provoke(OVER)
    server = serve(
        target="tests.helpers.quick_frameworks:app",
        environment={"NODE_MODULES": str(node_modules)},
    )
    page = await browser.blank(f"{server.url}/{framework}/notes")
    asked = await asked_in(page)
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    await sign_in(page, "Ada")
    await greeted(page)

    # The form goes with its route, and comes back empty.
    await go(page, "Letter")
    await write_letter(page)
    assert await letter(page) == LETTER
    await go(page, "Notes")
    await until(lambda: drafts(browser, server.url))
    await expect(offer_in(page)).to_be_hidden()
    await page.go_back()
    await expect(offer_in(page)).to_be_visible()
    assert await letter(page) == BLANK
    await offer_in(page).get_by_role("button", name="Restore").click()
    await until(lambda: letter_is(page, LETTER))
    assert len(sockets) == 1

    # A form that was sent by fetch is none that is unsent, even where nothing could be kept.
    browser.provoke(r"status of 503 .*/drafts")
    await page.route("**/drafts*", refuse)
    await page.get_by_label("Text").press_sequentially(" Yours, Ada")
    await browser.blank()
    await until(lambda: any("/drafts" in text for text in browser.complaints))
    await page.bring_to_front()
    await page.get_by_role("button", name="Send").click()
    await until(lambda: letter_is(page, BLANK))
    await page.unroute("**/drafts*", refuse)
    await page.goto(f"{server.url}/{framework}/notes")
    assert asked == []

    # Nobody is offered what somebody else typed, and nobody is covered by their own sign-out.
    await go(page, "Letter")
    await write_letter(page)
    await go(page, "Notes")
    await until(lambda: drafts(browser, server.url))
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Name")).to_be_visible()
    await sign_in(page, "Bob")
    await page.evaluate("heard.length = 0")
    await greeted(page)
    await page.get_by_role("link", name="Letter").click()
    await expect(page.get_by_label("Text")).to_have_value("")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    assert await drafts(browser, server.url) == []

    # What the framework opens is behind the prompt, and behind the cover.
    await browser.post(f"{server.url}/hurry")
    await expect(prompt_in(page)).to_be_visible()
    await page.evaluate("document.querySelector('form [type=button]').click()")
    await until(lambda: page.evaluate("document.querySelector('dialog')?.open"))
    assert await on_top(page) == "quart-idle"
    await browser.post(f"{server.url}/end")
    await expect(cover_in(page)).to_be_visible()
    assert await on_top(page) == "quart-idle"
    await page.goto("about:blank")
    assert asked == []


async def letter_is(page: Page, content: dict[str, Any]) -> bool:
    return bool(await letter(page) == content)


async def refuse(route: Route) -> None:
    await route.fulfill(status=503)
