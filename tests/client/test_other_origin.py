"""A single-page application of another origin than the API that has the sessions."""

from __future__ import annotations

from playwright.async_api import Page, WebSocket, expect

from tests.helpers.browser import Browser
from tests.helpers.redis_servers import free_port
from tests.helpers.servers import Serve
from tests.helpers.shown import OVER, greeted, prompt_in
from tests.helpers.waiting import until


def serve_both(serve: Serve, api_host: str) -> tuple[str, str]:
    """The addresses of the pages and of the API."""
    port = free_port()
    pages = f"http://127.0.0.1:{port}"
    api_server = serve(target="tests.helpers.quick_other_origin:api", environment={"PAGES": pages})
    api = f"http://{api_host}:{api_server.port}"
    serve(target="examples.pages.other_origin:app", port=port, environment={"API": api})
    return pages, api


async def sign_in(page: Page, name: str) -> None:
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Sign in").click()


async def test_an_application_of_another_origin_signs_in_stays_reloads_and_signs_out(
    serve: Serve, browser: Browser
) -> None:
    browser.provoke(OVER)
    pages, api = serve_both(serve, "127.0.0.1")
    page = await browser.blank(pages)
    sockets: list[WebSocket] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    for name in ("Ada", "Bob"):
        sockets.clear()
        await sign_in(page, name)
        await expect(page.get_by_role("heading")).to_have_text(f"Hello {name}")
        # (Before a reload, whose socket is another one.)
        await until(lambda: sockets)
        assert sockets[-1].url.startswith(api.replace("http", "ws") + "/_idle/presence")

        sockets.clear()
        await page.reload()
        await expect(page.get_by_role("heading")).to_have_text(f"Hello {name}")
        await greeted(page)
        await until(lambda: [socket.is_closed() for socket in sockets].count(False) == 1)

        await page.evaluate("(url) => fetch(url, { credentials: 'include' })", f"{api}/hurry")
        await expect(prompt_in(page)).to_be_visible()
        await prompt_in(page).get_by_role("button", name="Stay signed in").click()
        await expect(prompt_in(page)).to_be_hidden()

        # (It may be about to be shown again.)
        await page.locator("#sign-out").dispatch_event("click")
        await expect(page.get_by_label("Name")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_be_hidden()
        await until(lambda: all(socket.is_closed() for socket in sockets))


async def test_a_lax_cookie_is_not_sent_from_another_site_and_the_page_says_so(
    serve: Serve, browser: Browser
) -> None:
    pages, _ = serve_both(serve, "localhost")
    page = await browser.blank(pages)
    await sign_in(page, "Ada")
    await expect(page.get_by_role("status")).to_have_text("Your browser sent no cookie.")
    await expect(page.get_by_label("Name")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Name")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_be_hidden()
