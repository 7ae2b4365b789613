"""Presence over HTTP, for pages whose socket is blocked: a real hypercorn."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.wire import PONG


async def test_extend_and_state_and_presence_work_over_http(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60, "warning": 20, "keepalive": "activity"})
    user = await signed_in(server, client)
    await asyncio.sleep(0.6)
    state = await user.get("/_idle/state")
    assert state.headers["Cache-Control"] == "no-store"
    assert state.json()["total"] is None
    assert state.json()["left"] < 59_500
    idle = '{"type": "pong", "idle": 30000, "visible": true}'
    untouched = (await user.post("/_idle/presence", content=idle)).json()
    assert untouched["left"] < 59_500
    assert (await user.post("/_idle/presence", content=PONG)).json()["left"] > 59_900
    await asyncio.sleep(0.3)
    assert (await user.post("/_idle/extend")).json()["left"] > 59_900
    headers = {"Origin": "", "Sec-Fetch-Site": "same-origin"}
    del user.headers["Origin"]
    assert (await user.post("/_idle/extend", headers={"Sec-Fetch-Site": "cross-site"})).is_error
    headers.pop("Origin")
    assert (await user.post("/_idle/extend", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [("", 400), ("[]", 400), ('{"type": "ask"}', 400), (b"\xff", 400), ("x" * 100_000, 413)],
)
async def test_a_bad_answer_over_http_is_an_error_that_says_why(
    serve: Serve, client: NewClient, body: str | bytes, status: int
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    answer = await user.post("/_idle/presence", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_without_a_session_the_routes_say_401_and_why(
    serve: Serve, client: NewClient
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    cookies = httpx.Cookies(user.cookies)
    await user.post("/sign-out")
    late = client(server)
    late.cookies = cookies
    for answer in (
        await late.get("/_idle/state"),
        await late.post("/_idle/extend"),
        await late.post("/_idle/presence", content=PONG),
    ):
        assert (answer.status_code, answer.json()) == (401, {"reason": "signed out"})
    assert (await client(server).get("/_idle/state")).json() == {"reason": "unknown"}


async def test_the_client_is_kept_for_good_under_its_version_only(
    serve: Serve, client: NewClient
) -> None:
    server = serve({})
    user = await signed_in(server, client)
    page = (await user.get("/page", params={"nonce": "abc"})).text
    assert 'nonce="abc"' in page
    path = page.partition('src="')[2].partition('"')[0]
    current = await user.get(path)
    assert "immutable" in current.headers["Cache-Control"]
    assert current.headers["Content-Type"].startswith("text/javascript")
    other = await user.get(re.sub("[0-9a-f]{12}", "0123456789ab", path), follow_redirects=True)
    assert {answer.headers["Cache-Control"] for answer in other.history} == {"no-store"}
    assert other.content == current.content
