"""The demo's page of a user's devices, where no script runs."""

from __future__ import annotations

import asyncio
import re

import httpx

from tests.helpers.servers import Serve

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
    server = serve(target="tests.helpers.quick_demo:app")
    others = "/devices/others"
    async with httpx.AsyncClient(
        base_url=f"{server.url}/presence", headers={"Accept": "text/html"}, follow_redirects=True
    ) as browser:
        await browser.post("/sign-in", data={"name": "Ada"})
        await browser.post("/", data={"note": "what I think"})
        assert (await browser.get(others)).url.path == "/presence/devices/others"
        await asyncio.sleep(2.1)
        page = await browser.get(others)
        assert page.url.path == "/presence/sign-in"
        assert "To go on as Ada, sign in once more." in page.text
        page = await browser.post(str(page.url), data={"name": "Ada"})
        assert page.url.path == "/presence/devices/others"
        assert "what I think" in (await browser.get("/")).text
