"""The routes over HTTP: how an answer is known to be ours, and who may read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from quart import Response

from .support import Browser, Site, end

MakeSite = Callable[..., Site]

OWN = {"Origin": "http://localhost"}
KEY = {"SECRET_KEY": "a secret of the tests' own"}
PONG = '{"type": "pong", "idle": 0, "visible": true}'


async def ask(browser: Browser, method: str, path: str, **options: Any) -> Response:
    """What is answered to a request for one of the routes."""
    return await browser.client.open(f"/_idle/{path}", method=method, **options)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "state", {}, 200),
        ("HEAD", "state", {}, 200),
        ("POST", "extend", OWN, 200),
        ("POST", "presence", OWN, 400),
        ("POST", "extend", {}, 403),
        ("PUT", "state", {}, 405),
        ("GET", "drafts", {}, 200),
        ("GET", "quart-idle.js", {}, 200),
    ],
)
async def test_every_answer_says_that_it_is_ours(
    site: MakeSite, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    here = site(config=KEY, drafts=True)
    browser = await here.signed_in()
    answer = await ask(browser, method, path, headers=headers)
    assert (answer.status_code, answer.headers.getlist("Quart-Idle")) == (status, ["1"])


async def test_an_end_is_told_by_an_answer_that_says_that_it_is_ours(site: MakeSite) -> None:
    browser = await site().signed_in()
    late = browser.copy()
    await browser.visit(end())
    for method, path in (("GET", "state"), ("POST", "extend"), ("POST", "presence")):
        data = PONG if method == "POST" else None
        answer = await ask(late, method, path, headers=OWN, data=data)
        assert (answer.status_code, await answer.get_json()) == (401, {"reason": "signed out"})
        assert answer.headers["Quart-Idle"] == "1"


async def test_a_store_that_is_down_is_told_by_an_answer_of_ours(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in()
    here.store.fault = ConnectionError("down")
    answer = await browser.client.get("/_idle/state")
    assert (answer.status_code, answer.headers["Quart-Idle"]) == (503, "1")
