"""The routes over HTTP: how an answer is known to be ours, and who may read it."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from typing import Any

import pytest
from quart import Response

from quart_idle.client import CLIENT, takes_gzip
from tests.helpers.handlers import end
from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.site import Browser, MakeSite

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


# The client.


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        *((None, False), ("", False), ("identity", False), ("br", False), ("gzip", True)),
        *(("gzip, deflate, br, zstd", True), ("br;q=1.0, GZIP ; q=0.8", True), ("*", True)),
        *(("gzip;q=0", False), ("gzip;q=0.000", False), ("*;q=0", False), ("x-gzip", True)),
        *(("gzip;q=0, *", False), ("identity, gzip;q=0.5", False), ("gzip;q=x", False)),
        ("gzip;level=9;q=1", True),
    ],
)
def test_what_a_request_accepts_is_read_with_its_weights(accepted: str | None, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


async def test_the_client_is_sent_gzipped_to_whom_takes_it(site: MakeSite) -> None:
    browser = site().browser()
    plain = await browser.client.get(f"/_idle{CLIENT}")
    packed = await browser.client.get(f"/_idle{CLIENT}", headers={"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    body = bytes(await packed.get_data(as_text=False))
    assert int(packed.headers["Content-Length"]) == len(body) < 9000
    assert gzip.decompress(body) == await plain.get_data()
    for answer in (plain, packed):
        # So a proxy keeps both, and gzips none again.
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert "immutable" in answer.headers["Cache-Control"]


# What is read, and when.


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
