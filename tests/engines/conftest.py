"""Three engines, each of which runs what its driver can do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from tests.helpers.engines.chromium import chromium
from tests.helpers.engines.driver import Engine
from tests.helpers.engines.firefox import firefox
from tests.helpers.engines.scenarios import engines_for
from tests.helpers.engines.webkit import webkit
from tests.helpers.servers import Serve

_START: dict[str, Callable[[Path], AbstractAsyncContextManager[Engine]]] = {
    "chromium": chromium,
    "firefox": firefox,
    "webkit": webkit,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "browser_of" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("scenario")
        assert mark, "what is tried in engines is a scenario"
        names = engines_for(*mark.args[1:])
        metafunc.parametrize("browser_of", names, indirect=True, scope="package")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def browser_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Engine]:
    """A browser of one engine for all of these tests."""
    async with _START[request.param](tmp_path_factory.mktemp(request.param)) as engine:
        yield engine


@pytest_asyncio.fixture(loop_scope="package")
async def engine(browser_of: Engine) -> AsyncIterator[Engine]:
    """The same, as new."""
    yield browser_of
    await browser_of.start_over()


@pytest.fixture
def serve_pages(serve: Serve) -> Serve:
    return partial(serve, target="tests.helpers.engines.app:app")
