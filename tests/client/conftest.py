"""A real browser for all tests of the folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect
from pytest_asyncio import is_async_test

from tests.helpers.browser import Browser, chromium
from tests.helpers.npm import LIBRARIES, from_npm
from tests.helpers.servers import Serve
from tests.helpers.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # All in the loop to which the browser's driver belongs.
    for item in items:
        if Path(__file__).parent in item.path.parents and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chrome(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser for all of these tests, which holds the timers of hidden tabs back very soon.

    (Once a minute, after a second; without the flag, after five minutes.)
    """
    async with chromium(
        tmp_path_factory.mktemp("chromium"),
        "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1",
    ) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def browser(chrome: Browser) -> AsyncIterator[Browser]:
    """The browser, as new; its pages complain of nothing that was not provoked."""
    yield chrome
    complaints = chrome.unexpected()
    await chrome.start_over()
    assert complaints == []


@pytest.fixture
def serve_pages(serve: Serve) -> Serve:
    return partial(serve, target="tests.helpers.page_app:app")


@pytest.fixture(scope="session")
def node_modules(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """npm's folder, with what swaps a page's body."""
    return from_npm(LIBRARIES, pytestconfig, tmp_path_factory)
