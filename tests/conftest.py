"""What the tests share: servers of their own, on free ports, ended when the test ends."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.clock import Clock
from tests.helpers.eager_tasks import EagerTasks
from tests.helpers.limit import limited
from tests.helpers.servers import Server, start
from tests.helpers.site import Site, make_site
from tests.helpers.turns import Turn, share_turns

# That the machine is busy is no failure.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--eager-tasks",
        action="store_true",
        help="run with asyncio.eager_task_factory (Python 3.12): a task begins in create_task()",
    )


def pytest_configure(config: pytest.Config) -> None:
    # The processes that run tests have to agree on their names, in which there may be sets.
    os.environ.setdefault("PYTHONHASHSEED", str(secrets.randbelow(2**32)))
    share_turns()
    if config.getoption("--eager-tasks"):
        asyncio.set_event_loop_policy(EagerTasks())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Four at a time, as tests wait more than they work; those of a file by themselves."""
    return 0 if all(Path(name.partition("::")[0]).is_file() for name in config.args) else 4


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if {"browser", "chrome", "engine"} & set(fixtures):
            item.add_marker("browser")
        if "clock" in fixtures:
            item.add_marker("clock")
    # First what runs by itself, one after another: all others wait for it once. Last what is quick:
    # then no process ends long after the others.
    items.sort(key=lambda item: (not _is_alone(item), _folder(item) in _QUICK))


# Where tests take no time.
_QUICK = {"house", "values"}


def _folder(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def _is_alone(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("alone") is not None


_turn = Turn()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, Any, Any]:
    _turn.take(alone=_is_alone(item))
    try:
        return (yield)
    finally:
        if not (_is_alone(item) and _is_alone(nextitem)):
            _turn.give_back()


# How long a test may take, in seconds, on a machine that has much else to do; and so may what it
# needs, and what tidies up after it.
_LIMIT = 300.0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, Any, Any]:
    with limited(_LIMIT):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    with limited(_LIMIT):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    with limited(_LIMIT):
        return (yield)


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
        **options: Any,
    ) -> Server:
        servers.append(start(target, tmp_path, settings, *arguments, **options))
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


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    """The test's time, which passes at once.

    The loop ends by the system's time again: it waits for its threads, which take real time.
    """
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        loop = asyncio.get_running_loop()
        clock.rule(loop, patch)
        yield clock
        clock.forget(loop)


@pytest.fixture
def site(clock: Clock) -> Callable[..., Site]:
    """Applications of the test's own, in process, with settings."""
    return partial(make_site, clock)
