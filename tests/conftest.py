"""What the tests share: servers of their own, on free ports, ended when the test ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from hypothesis import HealthCheck, settings
from websockets.asyncio.client import ClientConnection

from tests.helpers.support import Clock, Site, limited, make_site, make_tasks_eager

# That the machine is busy is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

_ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--eager-tasks",
        action="store_true",
        help="run with asyncio.eager_task_factory (Python 3.12): a task begins in create_task()",
    )


class _EagerTasks(asyncio.DefaultEventLoopPolicy):
    """Has every loop of the tests' own process make eager tasks."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        make_tasks_eager(loop)
        return loop


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--eager-tasks"):
        asyncio.set_event_loop_policy(_EagerTasks())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "browser" in fixtures or "chrome" in fixtures:
            item.add_marker("browser")
        if "clock" in fixtures:
            item.add_marker("clock")


# How long a test may take, in seconds, on a machine that has much else to do.
_LIMIT = 600.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    with limited(_LIMIT):
        return (yield)


_LISTENING = re.compile(r"[Rr]unning on (https?)://127\.0\.0\.1:(\d+)")


@dataclass
class Server:
    """A hypercorn or uvicorn of the test's own."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def text(self) -> str:
        """What it logged so far."""
        return self.log.read_text()

    def stop(self) -> int:
        """End it gently; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def start(
    target: str,
    folder: Path,
    settings: dict[str, Any] | None = None,
    *arguments: str,
    port: int = 0,
    server: str = "hypercorn",
) -> Server:
    """Start a server and wait until it listens."""
    log = folder / f"server-{time.monotonic_ns()}.log"
    options = {
        "hypercorn": ["--bind", f"127.0.0.1:{port}", "--graceful-timeout", "1"],
        "uvicorn": ["--port", str(port)],
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-X", "dev", "-m", server, target),
                *(*options[server], *arguments),
            ],
            cwd=_ROOT,
            env={**os.environ, "QUART_IDLE_TEST": json.dumps(settings or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        if found := _LISTENING.search(log.read_text()):
            return Server(process, int(found[2]), log, found[1])
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise RuntimeError(f"{server} did not start:\n{log.read_text()}")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers; they end with the test, and have logged no traceback until then.

    (On SIGTERM with sockets open, hypercorn's own log has one under Python 3.11.)
    """
    servers: list[Server] = []

    def begin(
        settings: dict[str, Any] | None = None,
        *arguments: str,
        target: str = "tests.helpers.app:app",
        port: int = 0,
        server: str = "hypercorn",
    ) -> Server:
        servers.append(start(target, tmp_path, settings, *arguments, port=port, server=server))
        return servers[-1]

    yield begin
    logs = [server.text() for server in servers if server.process.poll() is None]
    for server in servers:
        if server.process.poll() is None:
            server.stop()
    for log in logs:
        assert "Traceback" not in log, log


@pytest.fixture
async def client() -> AsyncIterator[Callable[[Server], httpx.AsyncClient]]:
    """Clients that keep cookies, one a user."""
    clients: list[httpx.AsyncClient] = []

    def make(server: Server) -> httpx.AsyncClient:
        clients.append(httpx.AsyncClient(base_url=server.url, headers={"Origin": server.url}))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


def presence(server: Server, client: httpx.AsyncClient, **options: Any) -> websockets.connect:
    """A page's socket, with the client's cookies."""
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    options.setdefault("origin", server.url)
    return websockets.connect(
        f"ws://127.0.0.1:{server.port}/_idle/presence",
        additional_headers={"Cookie": cookies} if cookies else {},
        **options,
    )


async def frame(page: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """The next frame, of a kind if one is named; pings on the way are answered."""
    while True:
        message: dict[str, Any] = json.loads(await page.recv())
        if kind is None or message["type"] == kind:
            return message
        if message["type"] == "ping":
            await page.send('{"type": "pong", "idle": 0, "visible": true}')


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    """The test's time, which passes at once.

    The loop ends by the system's time again: it waits for its threads, which take real time.
    """
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        clock.rule(asyncio.get_running_loop(), patch)
        yield clock


@pytest.fixture
def site(clock: Clock) -> Callable[..., Site]:
    """Applications of the test's own, in process, with settings."""
    return partial(make_site, clock)
