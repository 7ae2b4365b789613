"""The demo's page of a user's devices, where no script runs."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx

from examples.demo import active, ago
from quart_idle import SessionInfo
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

# Nobody is idle; a sign-in is enough for three seconds.
UNHURRIED = {"TIMEOUT": 60, "CLOSED_TIMEOUT": 60, "FRESH": 3}

ROW = re.compile(r'<li class="card device (\w*)".*?<h2>(.*?)</h2>.*?action="(.*?)"', re.DOTALL)


async def test_without_scripts_a_user_sees_their_devices_and_signs_them_out(serve: Serve) -> None:
    server = serve(target="examples.demo:app")
    names = "Ada's laptop", "Ada's <b>", "Ada's tablet", "Eve's"
    browsers = [
        httpx.AsyncClient(
            base_url=f"{server.url}/presence", headers={"User-Agent": name}, follow_redirects=True
        )
        for name in names
    ]
    laptop, phone, tablet, stranger = browsers

    async def sees(browser: httpx.AsyncClient) -> list[tuple[str, str, str]]:
        page = await browser.get("/devices")
        return [row for row in ROW.findall(page.text) if row[1]]  # but for that of a template

    async def press(browser: httpx.AsyncClient, action: str) -> httpx.Response:
        return await browser.post(f"{server.url}{action}")

    for browser, name in zip(browsers, names, strict=True):
        await browser.post("/sign-in", data={"name": name.partition("'")[0]})
    own, *others = await sees(laptop)
    assert own == ("own", "Ada&#39;s laptop", "/presence/sign-out")
    actions = {name: action for _, name, action in others}
    assert set(actions) == {"Ada&#39;s &lt;b&gt;", "Ada&#39;s tablet"}
    (foreign,) = await sees(stranger)
    assert foreign[0] == "own"

    page = await press(laptop, actions["Ada&#39;s &lt;b&gt;"])
    assert (page.status_code, page.url.path) == (200, "/presence/devices")
    assert len(await sees(laptop)) == 2
    assert "You were signed out from another device." in (await phone.get("/devices")).text

    await press(stranger, actions["Ada&#39;s tablet"])
    assert len(await sees(tablet)) == 2
    await press(laptop, "/presence/devices/others")
    assert len(await sees(laptop)) == len(await sees(stranger)) == 1
    assert "You were signed out everywhere." in (await tablet.get("/devices")).text

    page = await press(laptop, own[2])
    assert "You signed out." in page.text
    page = await press(laptop, "/presence/devices/others")
    assert page.url.path == "/presence/sign-in"
    for browser in browsers:
        await browser.aclose()


async def test_before_all_other_devices_are_signed_out_who_signed_in_long_ago_does_so_again(
    serve: Serve,
) -> None:
    server = serve(UNHURRIED, target="tests.helpers.quick_demo:app")
    others = "/devices/others"
    async with httpx.AsyncClient(
        base_url=f"{server.url}/presence", headers={"Accept": "text/html"}, follow_redirects=True
    ) as browser:
        await browser.post("/sign-in", data={"name": "Ada"})
        await browser.post("/", data={"note": "what I think"})
        assert (await browser.get(others)).url.path == "/presence/devices/others"
        await asyncio.sleep(3.1)
        page = await browser.get(others)
        assert page.url.path == "/presence/sign-in"
        assert "To go on as Ada, sign in once more." in page.text
        page = await browser.post(str(page.url), data={"name": "Ada"})
        assert page.url.path == "/presence/devices/others"
        assert "what I think" in (await browser.get("/")).text


async def test_other_devices_are_signed_out_by_no_way_long_after_the_sign_in(
    serve: Serve,
) -> None:
    server = serve(UNHURRIED, target="tests.helpers.quick_demo:app")
    base = f"{server.url}/presence"
    headers = {"Origin": server.url}
    async with (
        httpx.AsyncClient(base_url=base, headers=headers, follow_redirects=True) as browser,
        httpx.AsyncClient(base_url=base, headers=headers, follow_redirects=True) as other,
    ):
        for one in browser, other:
            await one.post("/sign-in", data={"name": "Ada"})
        found = (await browser.get("/_idle/sessions")).json()
        (id,) = (device["id"] for device in found if not device["current"])
        await asyncio.sleep(3.1)
        for which in "?others", f"/{id}":
            answer = await browser.delete(f"/_idle/sessions{which}")
            assert (answer.status_code, answer.json()) == (401, {"reason": "stale"})
        await asyncio.sleep(0.5)
        for form in "/devices/others", f"/devices/{id}/end":
            assert (await browser.post(form)).status_code == 401
        assert (await other.get("/devices")).url.path == "/presence/devices"

        async def sign_in_and_end_it() -> bool:
            await browser.post("/sign-in", data={"name": "Ada"})
            return (await browser.delete(f"/_idle/sessions/{id}")).status_code == 204

        await until(sign_in_and_end_it)  # on a busy machine the sign-in may be long ago again
        assert (await other.get("/devices")).url.path == "/presence/sign-in"


async def test_a_form_of_another_port_s_page_does_nothing(serve: Serve) -> None:
    server = serve(target="examples.demo:app")
    async with httpx.AsyncClient(
        base_url=f"{server.url}/presence", follow_redirects=True
    ) as browser:
        await browser.post("/sign-in", data={"name": "Ada"}, headers={"Origin": server.url})
        for origin in "http://127.0.0.1:9", "null":
            answer = await browser.post("/sign-out", headers={"Origin": origin})
            assert answer.status_code == 403
        assert (await browser.get("/devices")).url.path == "/presence/devices"


def test_a_device_is_active_now_only_while_a_page_is_open_there() -> None:
    moment = datetime.now(UTC)
    device = SessionInfo(
        id="0" * 64,
        user_id="Ada",
        created_at=moment - timedelta(hours=1),
        authenticated_at=None,
        active_at=moment,
        expires_at=moment + timedelta(hours=1),
        address=None,
        user_agent=None,
        pages=0,
    )
    assert active(device) == "Last active a moment ago"
    unused = replace(device, active_at=moment - timedelta(minutes=2, seconds=1))
    assert active(unused) == "Last active 2 minutes ago"
    assert active(replace(unused, pages=1)) == "Active now"


def test_what_the_store_has_from_a_clock_ahead_is_of_a_moment_ago() -> None:
    assert ago(datetime.now(UTC) + timedelta(seconds=90)) == "a moment ago"
    assert ago(datetime.now(UTC) - timedelta(seconds=90)) == "1 minute ago"
