"""Several workers: those of ``examples/deploy`` as it stands, and those that a memory store has."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import signal
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from quart_idle.siblings import claim
from tests.helpers.leash import popen
from tests.helpers.redis_servers import free_port, need, redis_server
from tests.helpers.servers import Server, start
from tests.helpers.wire import frame

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "examples" / "deploy"
# What the guide lets the application do with Redis.
ACCESS = re.findall(r"^ACL SETUSER .*", (FOLDER / "README.md").read_text(), re.MULTILINE)
COMPLAINT = "another worker"
RETRYABLE = {1001, 1006, 1011, 1012, 1013}
# What anything may take: the machine may be busy.
PATIENCE = 60


def workers(server: Server) -> list[int]:
    """The processes that listened so far."""
    return [int(pid) for pid in re.findall(r"\[(\d+)\] \[INFO\] Running on", server.text())]


def wait_for_workers(server: Server, number: int) -> list[int]:
    until = time.monotonic() + PATIENCE
    while len(workers(server)) < number and time.monotonic() < until:
        time.sleep(0.05)
    found = workers(server)
    assert len(found) == number, server.text()
    return found


# examples/deploy.


@dataclass
class Site:
    """The example as browsers see it."""

    server: Server
    port: int
    plain_port: int
    trust: ssl.SSLContext

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.origin,
            headers={"Origin": self.origin},
            verify=self.trust,
            timeout=PATIENCE,
        )

    def page(self, browser: httpx.AsyncClient, **options: Any) -> websockets.connect:
        """A page's socket, with the browser's cookie."""
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {"Cookie": cookies, **options.pop("headers", {})}
        options.setdefault("origin", self.origin)
        return websockets.connect(
            f"wss://localhost:{self.port}/_idle/presence",
            additional_headers=headers,
            ssl=self.trust,
            **options,
        )


def adapted(text: str, changes: dict[str, str]) -> str:
    """A configuration with other places in it; each is there."""
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder: Path, port: int, plain_port: int, upstream: int) -> Iterator[None]:
    """The example's nginx, on ports of its own, with files of its own, as whoever runs this."""
    temporary = "".join(
        f"{name}_temp_path {folder / name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = adapted(
        (FOLDER / "nginx.conf").read_text(),
        {
            "user www-data;": "user root;" if os.geteuid() == 0 else "",
            "http {": f"http {{ access_log off; {temporary}",
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{upstream};",
            "listen 80;": f"listen 127.0.0.1:{plain_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/example.com.pem": str(folder / "cert.pem"),
            "/etc/ssl/private/example.com.key": str(folder / "key.pem"),
        },
    )
    (folder / "nginx.conf").write_text(text)
    log = folder / "nginx.log"
    with log.open("wb") as output:
        process = popen(
            [
                *(need("nginx", "nginx-light"), "-p", str(folder), "-e", "stderr"),
                *("-c", str(folder / "nginx.conf"), "-g", f"daemon off; pid {folder}/nginx.pid;"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + PATIENCE
        while not (folder / "nginx.pid").exists() and time.monotonic() < until:
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert "[emerg]" not in log.read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example's application, its two workers, Redis and nginx before them."""
    folder = tmp_path_factory.mktemp("deploy")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(folder / "cert.pem", append=True)
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    with redis_server(folder) as redis, pytest.MonkeyPatch.context() as patch:
        with redis.client as client:
            for command in ACCESS:
                client.execute_command(*command.split())
        patch.setenv("SITE_QUART_IDLE_STORE", f"redis://site:secret@127.0.0.1:{redis.port}")
        patch.setenv("SITE_QUART_IDLE_PING_INTERVAL", "1")
        server = start(
            "examples.deploy:app", folder, {}, "--config", str(FOLDER / "hypercorn.toml")
        )
        port, plain_port = free_port(), free_port()
        try:
            wait_for_workers(server, 2)
            with nginx(folder, port, plain_port, server.port):
                yield Site(server, port, plain_port, trust)
        finally:
            assert server.stop() == 0
        with redis.client as client:
            refused = {entry["object"] for entry in client.acl_log()}
            assert refused <= {"client|setinfo"}  # what a client tells of itself, if it may
    assert COMPLAINT not in server.text()  # they share what Redis holds


@pytest.fixture
async def ada(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that is signed in."""
    async with site.browser() as browser:
        assert (await browser.post("/", data={"name": "Ada"})).status_code == 302
        yield browser


async def test_behind_nginx_the_cookie_is_secure_and_the_user_signed_in(site: Site) -> None:
    async with site.browser() as browser:
        answer = await browser.post("/", data={"name": "Ada"})
        cookie = answer.headers["Set-Cookie"]
        assert "Secure" in cookie
        assert "HttpOnly" in cookie
        assert "Hello Ada" in (await browser.get("/")).text


def test_the_log_begins_with_the_times_and_the_store_as_the_guide_shows(site: Site) -> None:
    (shown,) = re.findall(r"^INFO:quart_idle:.*", (FOLDER / "README.md").read_text(), re.MULTILINE)
    said = re.findall(r"^INFO:quart_idle:.*", site.server.text(), re.MULTILINE)
    assert shown in said


async def test_plain_http_is_sent_to_https(site: Site) -> None:
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(f"http://127.0.0.1:{site.plain_port}/sign-in?a=b")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://127.0.0.1/sign-in?a=b"


async def test_what_a_client_says_of_itself_does_not_get_past_nginx(
    site: Site, ada: httpx.AsyncClient
) -> None:
    lies = {
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=192.0.2.1;host=evil.example;proto=http",
    }
    answer = await ada.post("/", data={"name": "Ada"}, headers=lies)
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "To 127.0.0.1, " in (await ada.get("/", headers=lies)).text
    for origin in ("http://evil.example", "https://evil.example"):
        with pytest.raises(InvalidStatus) as caught:
            await site.page(ada, origin=origin, headers=lies)
        assert caught.value.response.status_code == 403


async def test_a_page_s_socket_is_pinged_and_answered_through_nginx(
    site: Site, ada: httpx.AsyncClient
) -> None:
    async with site.page(ada) as page:
        assert page.response is not None
        assert "Sec-WebSocket-Extensions" not in page.response.headers  # offered, and not taken
        await frame(page, "state")
        for _ in range(4):  # one that has not answered two is gone
            assert (await frame(page))["type"] == "ping"
            await page.send('{"type": "pong", "idle": 0, "visible": true}')
        await page.send('{"type": "ask"}')
        await frame(page, "state")


@pytest.mark.parametrize(
    "origin", ["http://localhost:{port}", "https://localhost", "https://evil.example:{port}"]
)
async def test_another_origin_is_refused_through_nginx(
    site: Site, ada: httpx.AsyncClient, origin: str
) -> None:
    origin = origin.format(port=site.port)
    with pytest.raises(InvalidStatus) as caught:
        await site.page(ada, origin=origin)
    assert caught.value.response.status_code == 403
    answer = await ada.post("/_idle/extend", headers={"Origin": origin})
    assert answer.status_code == 403


async def test_stay_signed_in_works_through_nginx(ada: httpx.AsyncClient) -> None:
    answer = await ada.post("/_idle/extend")
    assert answer.status_code == 200
    assert answer.json()["left"] > 0


async def page_on(site: Site, browser: httpx.AsyncClient, worker: int) -> ClientConnection:
    """A page's socket that this worker has, since the others stand still."""
    others = [pid for pid in workers(site.server)[-2:] if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:  # nginx may have kept a connection to one that stands still
                with suppress(TimeoutError):
                    return await site.page(browser, open_timeout=2)
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


async def close_code(page: ClientConnection) -> tuple[int, str]:
    """How a page's socket ends; pings are answered until then."""
    try:
        while True:
            await frame(page, "none")
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")


async def test_an_end_on_one_worker_reaches_the_pages_of_all(
    site: Site, ada: httpx.AsyncClient
) -> None:
    pages = [await page_on(site, ada, worker) for worker in workers(site.server)[-2:]]
    for page in pages:
        await frame(page, "state")
    assert (await ada.post("/sign-out")).status_code == 302
    async with asyncio.timeout(PATIENCE):
        ends = await asyncio.gather(*(close_code(page) for page in pages))
    assert ends == [(4401, "signed out")] * 2


async def test_a_graceful_restart_signs_nobody_out(site: Site, ada: httpx.AsyncClient) -> None:
    known = len(workers(site.server))
    page = await site.page(ada)
    await frame(page, "state")
    ended = asyncio.create_task(close_code(page))
    site.server.process.send_signal(signal.SIGHUP)
    # Requests wait for the new workers, or are answered by the old ones. None is refused.
    while len(workers(site.server)) < known + 2:
        assert "Hello Ada" in (await ada.get("/")).text
        await asyncio.sleep(0.05)
    async with asyncio.timeout(PATIENCE):
        code, _ = await ended
    assert code in RETRYABLE
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                page = await site.page(ada)
            except (InvalidStatus, InvalidMessage, OSError):
                await asyncio.sleep(0.1)
            else:
                break
    assert (await frame(page, "state"))["left"] > 0
    await page.close()
    assert not set(workers(site.server)[:known]) & set(workers(site.server)[known:])


def test_what_the_guide_lets_the_application_do_is_all_that_its_scripts_do() -> None:
    folder = ROOT / "quart_idle" / "stores" / "redis"
    scripts = "".join((folder / name).read_text() for name in ("scripts.lua", "attendance.lua"))
    used = {name.lower() for name in re.findall(r"redis\.p?call\('(\w+)'", scripts)}
    guide = (FOLDER / "README.md").read_text()
    for_clusters = re.findall(r"cluster needs `([^`]+)` as well", " ".join(guide.split()))
    allowed = set(re.findall(r"\+(\w+)", " ".join([*ACCESS, *for_clusters])))
    used |= {"cluster", "command", "asking"}  # by the library, there
    assert used | {"evalsha", "eval", "hgetall", "subscribe", "info"} == allowed


# Several workers of a memory store.


def test_a_second_worker_with_sessions_in_memory_is_told_of(serve: Callable[..., Server]) -> None:
    server = serve({}, "--workers", "2")
    wait_for_workers(server, 2)
    assert server.text().count(COMPLAINT) == 1
    assert "QUART_IDLE_STORE" in server.text()


def test_a_claim_that_cannot_be_made_is_no_complaint() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        assert claim("no socket is to be had")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_one_worker_is_not_told_of_nor_are_its_successor_and_other_servers(
    serve: Callable[..., Server],
) -> None:
    servers = [serve({}, "--workers", "1") for _ in range(2)]
    for server in servers:
        server.process.send_signal(signal.SIGHUP)
    for server in servers:
        wait_for_workers(server, 2)
        assert COMPLAINT not in server.text()
