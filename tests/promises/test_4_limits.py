"""Promise 4: bodies, frames, sockets a session and what is read of strangers are limited."""

from __future__ import annotations

import asyncio
import subprocess
import time
import tracemalloc
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
import websockets

from tests.helpers.clock import HOUR, Clock
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.site import KEY, OWN, MakeSite, ask
from tests.helpers.sockets import open_page
from tests.helpers.wire import PONG, frame, goodbye, presence


@pytest.fixture
def kind() -> str:
    """None of this comes to a store."""
    return "memory"


# Bodies.


@pytest.mark.parametrize("path", ["extend", "presence", "drafts"])
@pytest.mark.parametrize(
    ("who", "headers", "status"),
    [
        ("nobody", OWN, 401),
        ("ada", {"Origin": "null"}, 403),
        ("nobody", {"Origin": "null"}, 403),  # whose page it is goes before whose session
    ],
)
async def test_nobody_s_body_is_looked_at(
    site: MakeSite, path: str, who: str, headers: dict[str, str], status: int
) -> None:
    here = site(config=KEY, drafts=True)
    browser = await here.signed_in() if who == "ada" else here.browser()
    for body in ("[" * 100_000, "not a frame", b"\xff" * 2_000_000):
        answer = await ask(browser, "POST", path, headers=headers, data=body)
        assert answer.status_code == status
    # (The application's own dispatch reads the session.)
    assert here.store.calls == (["load"] * 3 if (path, who) == ("drafts", "ada") else [])


@pytest.mark.parametrize(
    ("path", "status"), [("extend", 401), ("extend", 200), ("presence", 413), ("presence", 403)]
)
async def test_an_answer_waits_until_the_body_has_come(
    site: MakeSite, path: str, status: int
) -> None:
    """(Hypercorn cuts off a client that has been answered while it sends.)"""
    here = site()
    browser = here.browser() if status == 401 else await here.signed_in()
    headers = {} if status == 403 else OWN
    url = f"/_idle/{path}"
    connection: Any = browser.client.request(url, method="POST", headers=headers)
    async with connection:
        await connection.send(b"x" * 5000)
        await asyncio.sleep(1)
        assert connection.status_code is None
        await connection.send(b"x" * 5000)
        await connection.send_complete()
    assert (await connection.as_response()).status_code == status


@pytest.mark.parametrize("status", [200, 403])
async def test_a_body_that_never_ends_is_not_waited_for(site: MakeSite, status: int) -> None:
    browser = await site().signed_in()
    headers = OWN if status == 200 else {}
    for sleep, size in ((6.0, 10), (0.1, 2**20)):
        connection: Any = browser.client.request("/_idle/extend", method="POST", headers=headers)
        async with connection:
            await connection.send(b"x" * size)
            await asyncio.sleep(sleep)
            assert connection.status_code == status


async def test_an_answer_that_is_too_long_is_told_so_though_it_never_ends(site: MakeSite) -> None:
    browser = await site().signed_in()
    connection: Any = browser.client.request("/_idle/presence", method="POST", headers=OWN)
    async with connection:
        await connection.send(b"x" * 600)
        await asyncio.sleep(6)
        assert connection.status_code == 413


async def test_a_client_that_sends_much_sees_why_it_was_refused(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"drafts": True})
    user = await signed_in(server, client)
    stranger = client(server)
    for path in ("extend", "presence", "drafts"):
        for _ in range(5):
            answer = await user.post(
                f"/_idle/{path}", content=b"x" * 1_000_000, headers={"Origin": "null"}
            )
            assert answer.status_code == 403
            answer = await stranger.post(f"/_idle/{path}", content=b"x" * 1_000_000)
            assert answer.status_code == 401


@pytest.mark.parametrize("path", ["presence", "extend"])
async def test_a_body_that_is_too_long_is_not_gathered_however_long_it_is(
    site: MakeSite, path: str
) -> None:
    browser = await site().signed_in()
    chunk, left, sent = bytes(65_536), 1000, []

    async def receive() -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunk, "more_body": left > 0}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"host": "localhost", "origin": "http://localhost"}
    headers["cookie"] = f"session={browser.token}"
    scope: Any = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "http_version": "1.1",
        "path": f"/_idle/{path}",
        "raw_path": b"",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
        "extensions": {},
        "asgi": {},
        "state": {},
    }
    tracemalloc.start()
    try:
        await browser.app(scope, receive, send)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent[0]["status"] == (413 if path == "presence" else 200)
    assert most < 2_000_000


# Frames.


def memory(server: Server) -> int:
    """KiB that the server's processes take."""
    found = subprocess.run(
        ["ps", "-o", "rss=", "--ppid", str(server.process.pid), "-p", str(server.process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(map(int, found.stdout.split()))


async def test_a_flood_of_frames_is_cut_off_and_costs_no_memory(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60})
    user = await signed_in(server, client)
    async with presence(server, user):
        pass
    before = memory(server)
    began = time.monotonic()
    async with presence(server, user) as page, presence(server, user) as other:
        with suppress(websockets.ConnectionClosed):
            for _ in range(20_000):
                await page.send(PONG)
        assert (await goodbye(page))[0] == 1008
        assert time.monotonic() - began < 10
        assert memory(server) - before < 4096
        await other.send('{"type": "ask"}')
        await frame(other, "state")


async def test_a_flood_that_never_stops_loses_its_connection(
    serve: Serve, client: NewClient
) -> None:
    server = serve({"timeout": 60})
    user = await signed_in(server, client)
    page = await presence(server, user, close_timeout=1)

    async def flood() -> None:
        while True:
            await page.send(PONG)

    with pytest.raises(websockets.ConnectionClosed):
        await asyncio.wait_for(flood(), 15)
    assert (await user.get("/peek")).json()["user"] == "ada"


# Sockets a session.


async def test_of_more_than_a_hundred_pages_of_a_session_the_oldest_are_to_come_back_later(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=HOUR)
    browser, other = await here.signed_in("ada"), await here.signed_in("bob")
    async with AsyncExitStack() as many, open_page(other) as bystander:
        pages = [await many.enter_async_context(open_page(browser)) for _ in range(300)]
        await clock.advance(60)
        assert [page.code for page in pages] == [1013] * 200 + [None] * 100
        assert pages[-1].pings
        assert bystander.code is None
    assert (await browser.visit(lambda session: session.user_id)).value == "ada"
