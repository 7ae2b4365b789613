"""A real browser for the tests of each module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.helpers.browser import Browser, chromium
from tests.helpers.servers import Serve
from tests.helpers.waiting import PATIENCE

expect.set_options(timeout=PATIENCE * 1000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chrome(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser for all of these tests, which holds the timers of hidden tabs back very soon.

    (Once a minute, after a second; without the flag, after five minutes.)
    """
    async with chromium(
        tmp_path_factory.mktemp("chromium"),
        "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1",
    ) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chrome: Browser) -> AsyncIterator[Browser]:
    """The browser, as new; its pages complain of nothing that was not provoked."""
    yield chrome
    complaints = chrome.unexpected()
    await chrome.start_over()
    assert complaints == []


@pytest.fixture
def serve_pages(serve: Serve) -> Serve:
    return partial(serve, target="tests.helpers.page_app:app")
