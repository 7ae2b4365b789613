"""Pages that are loaded while workers of two releases of quart-idle serve, in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.helpers.balancer import balance
from tests.helpers.browser import Browser
from tests.helpers.servers import Serve, Server
from tests.helpers.shown import heard
from tests.helpers.waiting import until

# What the browser says of a part that no worker had.
GONE = "status of 404|Failed to (load module script|fetch dynamically imported module)"


def two_releases(serve_pages: Serve) -> tuple[Server, Server]:
    following = "tests.helpers.next_release:app"
    settings = {"timeout": 600}
    # An environment has it run in a process of its own.
    return serve_pages(settings), serve_pages(
        settings, target=following, environment={"PYTHONUTF8": "1"}
    )


async def release_of(page: Page) -> str:
    """Which release's client a page has, once it has heard from the server."""
    await until(lambda: heard(page, "state"))
    return str(await page.evaluate("document.documentElement.dataset.release ?? 'this'"))


@pytest.mark.parametrize("query", ["?", "?csp&nonce=n0nce&integrity&strict"])
async def test_each_page_gets_its_client_though_each_file_may_reach_another_release_s_worker(
    serve_pages: Serve, browser: Browser, query: str
) -> None:
    this, following = two_releases(serve_pages)
    async with balance(this.port, following.port) as balancer:
        await browser.post(f"{balancer.url}/sign-in/ada")
        for number in range(10):
            page = await browser.blank(f"{balancer.url}/letter{query}&{number}")
            assert await release_of(page) == "this"
            await page.close()
        # They asked both: the first time anything is asked for, half of it is asked in vain.
        assert min(balancer.files.values()) >= 4
    assert browser.unexpected() == []


@pytest.mark.parametrize("query", ["", "?csp&nonce=n0nce&strict"])
async def test_a_page_whose_release_goes_while_it_loads_gets_the_next_one_s_client_whole(
    serve_pages: Serve, browser: Browser, query: str
) -> None:
    browser.provoke(GONE)
    this, following = two_releases(serve_pages)
    async with balance(this.port, following.port) as balancer:
        await browser.post(f"{balancer.url}/sign-in/ada")
        balancer.retires = True
        page = await browser.blank(f"{balancer.url}/letter{query}")
        assert await release_of(page) == "next"
        assert await page.evaluate("document.documentElement.quartIdle.state") == "live"
        await page.wait_for_load_state("networkidle")  # while there is still somebody to answer
