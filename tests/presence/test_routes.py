"""The routes over HTTP: how an answer is known to be ours, and who may read it."""

from __future__ import annotations

import pytest

from tests.helpers.handlers import end
from tests.helpers.site import KEY, OWN, MakeSite, ask
from tests.helpers.wire import PONG


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


# Other origins' pages.

ALLOWED = "https://good.example"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "state", 200),
        ("POST", "extend", 200),
        ("POST", "presence", 200),
        ("GET", "drafts", 200),
        ("DELETE", "drafts?page=/&form=a", 204),
        ("GET", "quart-idle.js", 200),
        ("PUT", "state", 405),
    ],
)
async def test_a_page_of_an_allowed_origin_may_read_the_answers(
    site: MakeSite, method: str, path: str, status: int
) -> None:
    here = site(config=KEY, drafts=True, allowed_origins=[ALLOWED])
    browser = await here.signed_in()
    data = PONG if method == "POST" else None
    for origin in (ALLOWED, f"{ALLOWED}:443"):  # as it was said, though it means the same
        answer = await ask(browser, method, path, headers={"Origin": origin}, data=data)
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == origin
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Quart-Idle" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"]


async def test_an_allowed_origin_s_page_learns_of_an_end(site: MakeSite) -> None:
    answer = await ask(
        site(allowed_origins=[ALLOWED]).browser(), "GET", "state", headers={"Origin": ALLOWED}
    )
    assert (answer.status_code, await answer.get_json()) == (401, {"reason": "unknown"})
    assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert "Quart-Idle" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://good.example.evil"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_page_of_any_other_origin_may_not(site: MakeSite, origin: str, method: str) -> None:
    for allowed in ([], [ALLOWED]):
        browser = await site(allowed_origins=allowed).signed_in()
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await ask(browser, method, "state", headers=headers)
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        # What is kept on the way for one origin is not to be given to another.
        assert answer.headers.get("Vary") == ("Origin" if allowed else None)


async def test_an_allowed_origin_s_page_may_ask_first_what_it_may_do(site: MakeSite) -> None:
    here = site(config=KEY, drafts=True, allowed_origins=[ALLOWED])
    headers = {
        "Origin": ALLOWED,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = await ask(here.browser(), "OPTIONS", "drafts", headers=headers)
    assert (answer.status_code, await answer.get_data()) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == ALLOWED
    assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "Content-Type"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert here.store.calls == []
