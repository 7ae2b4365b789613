"""Applications on a file: workers that hear each other, and faults that sign nobody out."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.workers import Two, WorkersContract
from tests.helpers.servers import NewClient, Serve, Server, signed_in
from tests.helpers.waiting import until
from tests.helpers.wire import frame, goodbye, hold, presence

TIMEOUT = 1.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def settings(path: Path, **more: Any) -> dict[str, Any]:
    return {
        "store": f"sqlite:///{path}",
        "store_timeout": TIMEOUT,
        "timeout": 30,
        "warning": 10,
        "ping_interval": 0.5,
        **more,
    }


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes meanwhile, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def last_write(path: Path) -> bytes:
    """What is stored of the clocks of all sessions."""
    with closing(sqlite3.connect(path)) as connection:
        return b"".join(row[0] for row in connection.execute("SELECT clocks FROM sessions"))


class TestTwoWorkers(WorkersContract):
    within = 3.0  # half a second, where the machine is not busy: see `stores/sqlite/running`

    @pytest.fixture
    def two(self, serve: Serve, path: Path) -> Two:
        def begin(**settings: Any) -> tuple[Server, Server]:
            one, other = [serve({"store": f"sqlite:///{path}", **settings}) for _ in range(2)]
            return one, other

        return begin


async def test_hypercorn_s_workers_share_what_they_keep_and_tell_each_other_of_ends(
    serve: Serve, client: NewClient, path: Path
) -> None:
    site = serve(settings(path, timeout=60, ping_interval=15), "--workers", "2")
    user = await signed_in(site, client)
    await until(lambda: site.text().count("Running on") == 2)
    pids: set[str] = set()
    async with asyncio.timeout(60):
        while len(pids) < 2:  # each connection goes to whichever is there
            async with httpx.AsyncClient(base_url=site.url, cookies=user.cookies) as browser:
                facts = (await browser.get("/")).json()
                assert facts["user"] == "ada"
                pids.add((await browser.get("/pid")).text)
    async with AsyncExitStack() as stack:
        pages = [await stack.enter_async_context(presence(site, user)) for _ in range(12)]
        for page in pages:
            await frame(page, "state")
        (await user.post("/sign-out")).raise_for_status()
        farewells = await asyncio.gather(*(goodbye(page, 3) for page in pages))
    assert set(farewells) == {(4401, "signed out")}


# Another program holds it locked: what is asked then is a 503, and nobody is signed out.


def assert_unavailable(answer: httpx.Response) -> None:
    """It is the application's own answer, and the client keeps its cookie."""
    assert answer.status_code == 503
    assert answer.json() == {"error": "come back later"}
    assert int(answer.headers["Retry-After"]) > 0
    assert "Set-Cookie" not in answer.headers


async def test_nobody_is_signed_out_while_the_file_is_locked(
    serve: Serve, client: NewClient, path: Path
) -> None:
    site = serve(settings(path))
    user, leaver = await signed_in(site, client), await signed_in(site, client)
    before = (await user.get("/")).json()
    async with presence(site, user) as page:
        await frame(page, "state")
        open_page = asyncio.create_task(hold(page, 120))
        # In mid-request: it has read its session, and cannot save it.
        slow = asyncio.create_task(user.post("/set", params={"wait": 1, "a": "2"}))
        await asyncio.sleep(0.5)
        with locked(path):
            answers = await asyncio.gather(
                user.post("/set", params={"b": "1"}),
                user.post("/sign-in/grace"),
                leaver.post("/sign-out"),
                client(site).post("/sign-in/linus"),
                slow,
            )
            for answer in answers:
                assert_unavailable(answer)
            # What is only read goes on.
            assert (await user.get("/")).json()["id"] == before["id"]
            assert (await user.get("/untouched")).text == "untouched"
            async with presence(site, user) as another:
                assert (await frame(another))["type"] == "state"
            # In mid-ping: the page is there, and stays.
            await page.send('{"type": "ask"}')
            await asyncio.sleep(2 * TIMEOUT)
            assert not open_page.done()
            clocks = last_write(path)
        (await user.post("/set", params={"c": "3"})).raise_for_status()
        after = (await user.get("/")).json()
        assert (after["id"], after["user"]) == (before["id"], "ada")
        assert after["data"]["c"] == "3"
        # Signs of life from that time are written.
        await until(lambda: last_write(path) != clocks)
        assert not open_page.done()
        assert page.close_code is None
        open_page.cancel()
    assert (await leaver.get("/")).json()["user"] in ("ada", None)


async def leave(site: Server, user: httpx.AsyncClient, act: str) -> None:
    """Ask for something, and be cancelled."""
    if act == "page":
        async with presence(site, user):
            await asyncio.sleep(60)
    await user.request("POST", act)


async def test_a_client_that_leaves_in_the_middle_of_a_write_loses_nothing(
    serve: Serve, client: NewClient, path: Path
) -> None:
    site = serve(settings(path, store_timeout=5))
    acts = ["/set?a=2", "/regenerate", "/sign-in/grace", "/sign-out", "page"]
    users = {act: await signed_in(site, client, a="1") for act in acts}
    ids = {act: (await user.get("/")).json()["id"] for act, user in users.items()}
    with locked(path):
        leaving = [asyncio.create_task(leave(site, user, act)) for act, user in users.items()]
        await asyncio.sleep(1)
        for each in leaving:
            each.cancel()
        await asyncio.wait(leaving)
        await asyncio.sleep(0.5)
    await asyncio.sleep(2)  # until what was done is taken back where nobody knows of it
    for act, user in users.items():
        facts = (await user.get("/")).json()
        if act == "/sign-out":
            assert (facts["user"], facts["ended"]) == (None, "signed out")
        elif act == "/sign-in/grace" and facts["user"] is None:
            # Another user's session is not given to whoever has the old token.
            assert facts["ended"] == "regenerated"
        else:
            # A token that was changed goes back to the one that the client has.
            assert (facts["id"], facts["user"]) == (ids[act], "ada"), act
            assert facts["data"]["a"] in (("1", "2") if act == "/set?a=2" else ("1",))


async def test_a_worker_that_stands_still_or_is_killed_signs_nobody_out(
    serve: Serve, client: NewClient, path: Path
) -> None:
    here, there = [serve(settings(path, timeout=60)) for _ in range(2)]
    users = [await signed_in(host, client, n=str(n)) for n, host in enumerate((here, there) * 3)]
    over = asyncio.Event()
    answered = 0

    async def use(number: int, user: httpx.AsyncClient) -> None:
        nonlocal answered
        elsewhere = client(here)
        elsewhere.cookies.update(user.cookies)
        while not over.is_set():
            answer = await elsewhere.post("/set", params={"x": str(time.monotonic())})
            assert answer.status_code in (200, 503)
            facts = (await elsewhere.get("/")).json()
            assert (facts["user"], facts["data"]["n"]) == ("ada", str(number))
            answered += 1

    uses = [asyncio.create_task(use(number, user)) for number, user in enumerate(users)]
    for kill in (0, signal.SIGSTOP, signal.SIGKILL):
        there.process.send_signal(kill)
        answered = 0
        await until(lambda: answered > 20)  # noqa: B023
    over.set()
    await asyncio.gather(*uses)
    there.process.wait()
