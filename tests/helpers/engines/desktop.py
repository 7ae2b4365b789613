"""What a browser needs that has windows: a screen, and a bus for assistive technology."""

from __future__ import annotations

import asyncio
import os
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.helpers.processes import ended_after
from tests.helpers.waiting import until


@asynccontextmanager
async def screen_in(folder: Path) -> AsyncIterator[str]:
    """A screen that nobody sees; its name."""
    program = shutil.which("Xvfb")
    assert program, "these tests need a screen: apt-get install xvfb"
    told = folder / "screen"
    with told.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(program, "-displayfd", str(output.fileno()), "-nolisten", "tcp"),
            *("-screen", "0", "1280x900x24"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            pass_fds=[output.fileno()],
            start_new_session=True,
        )
    async with ended_after(process):
        number = await until(lambda: (text := told.read_text()).endswith("\n") and text.strip())
        yield f":{number}"


@asynccontextmanager
async def bus_in(folder: Path) -> AsyncIterator[str]:
    """A message bus of its own; its address."""
    program = shutil.which("dbus-daemon")
    assert program, "these tests need a message bus: apt-get install dbus-daemon at-spi2-core"
    told = folder / "bus"
    with told.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(program, "--session", "--nofork", "--nopidfile", "--print-address"),
            env={**os.environ, "TMPDIR": str(folder)},
            stdin=DEVNULL,
            stdout=output,
            stderr=DEVNULL,
            start_new_session=True,
        )
    async with ended_after(process):
        yield await until(lambda: (text := told.read_text()).endswith("\n") and text.strip())
