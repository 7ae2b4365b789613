"""Pages whose sockets share a connection with all else: HTTP/2, over TLS (RFC 8441)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.helpers.browser import chromium
from tests.helpers.http2 import Secure, http2, secure_by
from tests.helpers.proxy import proxy_to
from tests.helpers.servers import Serve


@pytest.fixture
def secure(tmp_path: Path) -> Secure:
    return secure_by(tmp_path)


@pytest.mark.parametrize(
    ("act", "code"), [("/sign-out", 4401), ("/regenerate", 4409)], ids=["end", "new token"]
)
async def test_an_end_of_sockets_leaves_the_connection_that_they_share_alone(
    serve: Serve, secure: Secure, act: str, code: int
) -> None:
    server = serve({"timeout": 60}, *secure.arguments)
    async with http2(server, secure.context) as connection:
        await connection.request("POST", "/sign-in/ada")
        pages = [await connection.open("/_idle/presence") for _ in range(8)]
        for page in pages:
            await page.frames.get()
        download = asyncio.create_task(connection.request("POST", "/set?wait=2"))
        await asyncio.sleep(0.1)
        await connection.request("POST", act)
        async with asyncio.timeout(1):
            assert {(await page.closed)[0] for page in pages} == {code}
        for page in pages:  # the line is slow
            await asyncio.sleep(0.1)
            connection.answer_close(page)
        assert (await download).headers[":status"] == "200"
        assert (await connection.request("GET", "/untouched")).body == b"untouched"
        assert not connection.cut.is_set()


@pytest.mark.browser
async def test_in_chromium_too_an_end_lets_what_is_under_way_arrive(
    serve: Serve, secure: Secure, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = serve({"timeout": 60}, *secure.arguments)
    async with (
        asyncio.timeout(60),
        proxy_to(server.port) as line,
        # (A short name: Chromium ends at once where its socket's is too long.)
        chromium(tmp_path_factory.mktemp("chrome"), "--ignore-certificate-errors") as browser,
    ):
        # What the server sends comes piece by piece: a close frame is answered, as it is not where
        # the stream's end comes with it.
        line.back.by_record, line.back.delay = True, 0.02
        page = await browser.blank(f"https://127.0.0.1:{line.port}/untouched")
        post = """async (path) => (await fetch(path, { method: "POST" })).status"""
        assert await page.evaluate(post, "/sign-in/ada") == 200
        codes = page.evaluate(
            """() => Promise.all([...Array(8)].map(() => new Promise((done) => {
              const socket = new WebSocket("/_idle/presence");
              socket.onclose = ({ code }) => done(code);
            })))"""
        )
        ending = asyncio.ensure_future(codes)
        download = asyncio.ensure_future(page.evaluate(post, "/set?wait=3"))
        await asyncio.sleep(1)
        assert await page.evaluate(post, "/sign-out") == 200
        assert await ending == [4401] * 8
        assert await download == 200
        protocols = await page.evaluate(
            "performance.getEntriesByType('resource').map((entry) => entry.nextHopProtocol)"
        )
        assert {*protocols} == {"h2"}
