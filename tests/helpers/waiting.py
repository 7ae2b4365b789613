"""Waiting for something to come true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

from playwright.async_api import Error as PlaywrightError


class BetweenPages(Exception):
    """One page is gone and the next is not there: ask again."""


#: How long a slow machine may take for what is done at once, in seconds.
PATIENCE = 15.0


async def until(condition: Callable[[], Any], within: float = PATIENCE, every: float = 0.05) -> Any:
    """What the condition gives, as soon as that is something; it is asked again and again."""
    end = time.monotonic() + within
    while True:
        try:
            found = condition()
            if isawaitable(found):
                found = await found
        except BetweenPages:
            found = None
        except PlaywrightError as error:
            # Between two pages there is none to ask.
            if "context was destroyed" not in str(error):
                raise
            found = None
        if found:
            return found
        assert time.monotonic() < end, f"not within {within:g} s"
        await asyncio.sleep(every)
