"""Processes of a browser: they end with the tests, all of them."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.helpers.leash import leash
from tests.helpers.waiting import PATIENCE


@asynccontextmanager
async def ended_after(process: Process) -> AsyncIterator[None]:
    """End a process that leads a session of its own, and what it has started."""
    leash(process.pid)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
