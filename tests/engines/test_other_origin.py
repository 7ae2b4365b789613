"""A single-page application of another origin than the API that has the sessions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.helpers.engines.acts import (
    PROMPT,
    click,
    heading_of,
    is_within_reach,
    shown,
    state_of,
    uncovered,
    write,
)
from tests.helpers.engines.driver import Engine, Tab
from tests.helpers.engines.scenarios import scenario
from tests.helpers.http2 import secure_by
from tests.helpers.line import line_to
from tests.helpers.redis_servers import free_port
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

TARGET = "tests.helpers.quick_other_origin"

STATUS = "() => document.querySelector('[role=status]').textContent"


async def sign_in(page: Tab, name: str) -> None:
    await write(page, "Name", name)
    await click(page, "Sign in")


async def signed_in(page: Tab, name: str) -> None:
    """Wait until the page is this user's."""

    async def is_it() -> bool:
        return await heading_of(page) == f"Hello {name}" and await state_of(page) == "live"

    await until(is_it)


async def goes_through(page: Tab, url: str, api: str) -> None:
    """One signs in, loads the page anew, stays when one is warned, and signs out."""
    await page.go(url)
    await sign_in(page, "Ada")
    await signed_in(page, "Ada")
    await page.go(url)
    await signed_in(page, "Ada")
    await page.evaluate("(url) => fetch(url, { credentials: 'include' })", f"{api}/hurry")
    await shown(page, PROMPT)
    await click(page, "Stay signed in")
    await uncovered(page)
    # (It may be about to be shown again.)
    await page.evaluate("() => document.querySelector('#sign-out').click()")
    await until(partial(is_within_reach, page, "Name"))
    await uncovered(page)


@scenario("an application of another origin, on the same site, signs in, stays, signs out")
async def test_an_application_of_another_origin_signs_in_stays_and_signs_out(
    serve: Serve, engine: Engine
) -> None:
    pages = f"http://127.0.0.1:{(port := free_port())}"
    server = serve({"PAGES": pages}, target=f"{TARGET}:api")
    async with line_to(server.port) as line:
        serve({"API": line.url}, target=f"{TARGET}:app", port=port)
        page = await engine.tab()
        await goes_through(page, pages, line.url)
        # One that is signed out has no socket; one that is signed in has one.
        await until(lambda: not line.sockets)
        await sign_in(page, "Bob")
        await signed_in(page, "Bob")
        assert line.sockets == 1
        # A cookie that is Lax is not sent from another site, and the page says so.
        await page.go(f"{pages}/at/localhost")
        await sign_in(page, "Ada")
        assert await until(partial(page.evaluate, STATUS)) == "Your browser sent no cookie."
        assert await is_within_reach(page, "Name")


@scenario("one of another site does so, over HTTPS, by a partitioned cookie", "other site")
async def test_an_application_of_another_site_does_so_by_a_cookie_that_is_partitioned(
    serve: Serve, engine: Engine, tmp_path: Path
) -> None:
    secure = secure_by(tmp_path).arguments
    pages = f"https://127.0.0.1:{(port := free_port())}"
    settings = {
        "PAGES": pages,
        "QUART_SESSION_COOKIE_SAMESITE": "None",
        "QUART_SESSION_COOKIE_SECURE": "true",
        "QUART_SESSION_COOKIE_PARTITIONED": "true",
    }
    server = serve(settings, *secure, target=f"{TARGET}:api")
    api = f"https://localhost:{server.port}"
    other = serve({"API": api}, *secure, target=f"{TARGET}:app", port=port)
    await goes_through(await engine.tab(), pages, api)
    # They would wait for the browser to say goodbye, which TLS has it do, some time.
    for process in (server.process, other.process):
        process.kill()
        process.wait()
