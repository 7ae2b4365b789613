"""What tests start ends with them, also when they are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_ROOT = Path(__file__).parent.parent.parent

# A test that has all of it open.
OPEN = """
import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tests.helpers.engines.chromium import chromium
from tests.helpers.engines.firefox import firefox
from tests.helpers.engines.webkit import webkit
from tests.helpers.redis_servers import redis_server
from tests.helpers.servers import start


async def test_it(tmp_path):
    start("tests.helpers.app:app", tmp_path)
    start("tests.helpers.app:app", tmp_path, None, "--workers", "2")
    with redis_server(tmp_path):
        async with AsyncExitStack() as stack:
            for number, engine in enumerate([ENGINES]):
                own = tmp_path / str(number)
                own.mkdir()
                tab = await (await stack.enter_async_context(engine(own))).tab()
                await tab.go("data:text/html,<h1>Open")
            Path(__file__).with_name("open").touch()
            await asyncio.sleep(600)
"""


# What runs where an engine does.
NAMES = {
    "chromium": ["chrom"],
    "firefox": ["firefox", "Web Content"],
    "webkit": ["MiniBrowser", "WebKitWebProces", "Xvfb"],
}


def processes() -> dict[int, tuple[int, str, str]]:
    """Those that run, by id: whose child each is, what it is called, when it began."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        head, _, rest = text.rpartition(") ")
        state, parent, *more = rest.split()
        if state not in "ZX":
            found[int(entry.name)] = int(parent), head.partition(" (")[2], more[17]
    return found


def below(leader: int) -> set[tuple[int, str, str]]:
    """What a process has started, and what that has started: id, name, beginning."""
    running = processes()
    found = {leader}
    while more := {pid for pid, (parent, *_) in running.items() if parent in found} - found:
        found |= more
    return {(pid, *running[pid][1:]) for pid in found - {leader}}


def still(those: set[tuple[int, str, str]]) -> set[tuple[int, str, str]]:
    # By id and beginning: what a process is called may change.
    running = processes()
    return {it for it in those if it[0] in running and running[it[0]][2] == it[2]}


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for sockets, whose paths may not be long."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("who", "engines"), [("pytest", list(NAMES)), ("its worker", ["chromium"])]
)
def test_browsers_and_servers_end_with_the_tests_even_if_those_are_killed(
    short: Path, tmp_path: Path, who: str, engines: list[str]
) -> None:
    (tmp_path / "test_open.py").write_text(OPEN.replace("ENGINES", ", ".join(engines)))
    log = tmp_path / "log"
    with log.open("wb") as output:
        runner = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-n", "1", "-c", "/dev/null"),
                *("--rootdir", str(tmp_path), "--basetemp", str(short / "t")),
                *("-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(tmp_path)),
            ],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        give_up = time.monotonic() + 240
        while not (tmp_path / "open").exists():
            assert runner.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.1)
        there = below(runner.pid)
        # What it shows below is worth nothing unless all of these were there.
        names = " ".join(name for _, name, _ in there)
        for name in (name for engine in engines for name in NAMES[engine]):
            assert name in names, names
        assert "redis-server" in names
        worker = next(pid for pid, (parent, *_) in processes().items() if parent == runner.pid)
        os.kill(runner.pid if who == "pytest" else worker, signal.SIGKILL)
        give_up = time.monotonic() + 20
        while left := still(there):
            assert time.monotonic() < give_up, left
            time.sleep(0.1)
    finally:
        runner.kill()
        runner.wait()
