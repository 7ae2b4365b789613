"""Workers that are killed, and hosts that lose power: what was answered is so.

``CRASHES=200`` in the environment has them happen so often.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.busy_worker import check
from tests.helpers.disks import disk
from tests.helpers.leash import popen

pytestmark = pytest.mark.once

TIMES = int(os.environ.get("CRASHES", "5"))
# How many crashes a file goes through before there is another.
EACH = 10
ROOT = Path(__file__).parents[3]


class Workers:
    """Three workers on a file, and what they noted."""

    def __init__(self, path: Path, notes: Path, synchronous: str) -> None:
        self.path = path
        self._url = f"sqlite:///{path}?synchronous={synchronous}"
        self._notes = notes
        self._processes: list[subprocess.Popen[bytes]] = []
        notes.mkdir()

    def start(self) -> None:
        for _ in range(3):
            notes = self._notes / f"{len(self.notes) + len(self._processes)}"
            command = [
                sys.executable,
                "-m",
                "tests.helpers.busy_worker",
                self._url,
                str(notes),
            ]
            self._processes.append(popen(command, cwd=ROOT))

    @property
    def notes(self) -> list[Path]:
        return sorted(self._notes.iterdir())

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            assert process.wait() == -signal.SIGKILL, "it failed before"
        self._processes = []

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)
        assert [process.poll() for process in self._processes] == [None] * 3, "one failed"

    def wait_for_work(self) -> None:
        """Until each was answered a hundred times."""
        until = time.monotonic() + 60
        while len(busy := [each for each in self.notes if each.stat().st_size > 20_000]) < 3:
            self.wait(0.05)
            assert time.monotonic() < until, busy

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        for process in self._processes:
            process.send_signal(signal.SIGSTOP)
        for process in self._processes:
            while (
                Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T"
            ):
                time.sleep(0.001)
        try:
            yield
        finally:
            for process in self._processes:
                process.send_signal(signal.SIGCONT)


@contextmanager
def workers(path: Path, notes: Path, synchronous: str = "normal") -> Iterator[Workers]:
    them = Workers(path, notes, synchronous)
    try:
        yield them
    finally:
        them.kill()


async def test_whenever_all_workers_are_killed_what_was_answered_is_so(tmp_path: Path) -> None:
    for crash in range(TIMES):
        if crash % EACH == 0:
            folder = tmp_path / str(crash)
            told: set[str] = set()
        with workers(folder / "sessions.db", tmp_path / f"notes{crash}") as them:
            them.start()
            if crash % 2:
                them.wait_for_work()
            them.wait(random.uniform(0.0, 3.0))
        found = await check(them.path, them.notes, told)
        assert found["missing"] == 0
        print(crash, found)


async def test_a_copy_of_any_moment_opens_and_has_what_was_answered(tmp_path: Path) -> None:
    with workers(tmp_path / "sessions.db", tmp_path / "notes") as them:
        them.start()
        them.wait_for_work()
        for crash in range(TIMES):
            them.wait(random.uniform(0.0, 0.5))
            copy = tmp_path / f"copy{crash}"
            copy.mkdir()
            with them.standing_still():
                shutil.copy(them.path, copy)
                shutil.copy(f"{them.path}-wal", copy)
                shutil.copytree(tmp_path / "notes", copy / "notes")
            notes = sorted((copy / "notes").iterdir())
            found = await check(copy / them.path.name, notes, set())
            assert found["missing"] == 0
            print(crash, found)


@pytest.mark.parametrize("synchronous", ["normal", "full"])
async def test_a_power_cut_brings_no_session_back_and_costs_the_last_writes_at_most_or_none(
    tmp_path: Path, synchronous: str
) -> None:
    costs = synchronous == "normal"
    with (
        disk(tmp_path / "disk", 256 * 1024 * 1024) as its,
        workers(its.folder / "data" / "sessions.db", tmp_path / "notes", synchronous) as them,
    ):
        them.start()
        them.wait_for_work()
        for crash in range(TIMES):
            them.wait(random.uniform(0.0, 0.5))
            notes = tmp_path / f"notes{crash}"
            with them.standing_still(), its.after_power_cut(tmp_path / f"cut{crash}") as cut:
                shutil.copytree(tmp_path / "notes", notes)
                shutil.copytree(cut / "data", tmp_path / f"data{crash}")
            path = tmp_path / f"data{crash}" / them.path.name
            found = await check(path, sorted(notes.iterdir()), set(), lost=costs)
            assert costs or found["missing"] == 0
            print(crash, found)
