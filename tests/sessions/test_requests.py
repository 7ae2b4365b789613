"""Sessions over HTTP and the application's own sockets, from outside: a real hypercorn."""

from __future__ import annotations

import asyncio
import itertools
import json
import re

import httpx
import pytest
import websockets

from tests.helpers.servers import NewClient, Serve
from tests.helpers.wire import frame, own_socket, presence


async def test_streaming_bodies_and_background_tasks_can_save(
    serve: Serve, client: NewClient
) -> None:
    server = serve()
    user = client(server)
    await user.post("/sign-in/ada")
    assert (await user.get("/stream")).text == "begun saved"
    await user.post("/later")
    await asyncio.sleep(0.5)
    data = (await user.get("/peek")).json()["data"]
    assert data == {"streamed": "yes", "later": "yes"}


async def test_the_application_s_own_socket_saves_and_ends(serve: Serve, client: NewClient) -> None:
    server = serve()
    user = client(server)
    await user.post("/sign-in/ada")
    async with own_socket(server, user) as socket, presence(server, user) as page:
        await frame(page, "state")
        await socket.send("a=1")
        assert json.loads(await socket.recv())["data"] == {"a": "1"}
        assert (await user.get("/peek")).json()["data"] == {"a": "1"}
        await user.post("/set?b=2")
        await socket.send("reload")
        assert json.loads(await socket.recv())["data"] == {"a": "1", "b": "2"}
        await socket.send("end")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await frame(page, "never")
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "by socket")


async def test_a_slow_request_that_came_in_time_is_in_time(serve: Serve, client: NewClient) -> None:
    server = serve({"timeout": 1.5, "warning": 0.5})
    user = client(server)
    await user.post("/sign-in/ada")
    await asyncio.sleep(1.2)
    slow = await user.post("/set?wait=1.2&name=x")
    assert slow.status_code == 200
    assert (await user.get("/peek")).json()["data"] == {"name": "x"}


async def test_passive_requests_and_files_are_no_activity(serve: Serve, client: NewClient) -> None:
    server = serve(target="tests.helpers.quick_demo:app")
    user = client(server)
    await user.post("/activity/sign-in", data={"name": "Ada"})
    for path, _ in itertools.product(("left", "static/demo.css"), range(12)):
        await asyncio.sleep(0.2)
        assert (await user.get(f"/activity/{path}")).status_code == 200
    assert (await user.get("/activity/_idle/state")).json() == {"reason": "idle"}


async def test_a_client_that_leaves_in_the_middle_harms_nothing(
    serve: Serve, client: NewClient
) -> None:
    server = serve()
    user = client(server)
    await user.post("/sign-in/ada?kept=1")
    for _ in range(5):
        with pytest.raises(httpx.ReadTimeout):
            await user.post("/set?wait=5&kept=2", timeout=0.1)
    assert (await user.get("/peek")).json()["data"] == {"kept": "1"}


async def test_behind_a_proxy_its_headers_say_what_own_means(
    serve: Serve, client: NewClient
) -> None:
    server = serve(target="tests.helpers.app:proxied")
    user = client(server)
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"}
    answer = await user.post("/sign-in/ada", headers=forwarded)
    assert "Secure" in answer.headers["Set-Cookie"]
    user.cookies.clear()
    cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    for origin, status in (("https://shop.example", 200), (server.url, 403)):
        extended = await user.post(
            "/_idle/extend", headers={**forwarded, **cookie, "Origin": origin}
        )
        assert extended.status_code == status


async def test_below_a_root_path_everything_is_below_it(serve: Serve, client: NewClient) -> None:
    server = serve({"url_prefix": "/alive"}, "--root-path", "/shop")
    user = client(server)
    await user.post("/shop/sign-in/ada")
    page = (await user.get("/shop/page")).text
    path = page.partition('src="')[2].partition('"')[0]
    assert re.fullmatch(r"/shop/alive/[0-9a-f]{12}/quart-idle\.js", path)
    assert (await user.get(path)).status_code == 200
    assert (await user.get("/shop/alive/state")).status_code == 200
    assert (await user.get("/alive/state")).status_code == 404
