"""The clock of a file: the host's, whoever asks, through settings of the wall clock and starts."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, cast

import pytest

from quart_idle.stores.sqlite.clock import CLOCK, Host, host_clock, this_host
from quart_idle.stores.sqlite.file import File
from tests.helpers.own_mounts import with_own_mounts
from tests.helpers.redis_servers import StandingTime

pytestmark = pytest.mark.once

EPOCH: Final = 1_800_000_000.0
HOUR: Final = 3600.0


class Machine:
    """A host whose clocks a test moves on."""

    def __init__(self, boot: str = "first") -> None:
        self.boot = boot
        self.ticks = 100.0
        self.wall = EPOCH

    @property
    def host(self) -> Host:
        return Host(self.boot, lambda: self.ticks, lambda: self.wall)

    def pass_time(self, seconds: float) -> None:
        self.ticks += seconds
        self.wall += seconds

    def start_again(self, *, down: float, boot: str = "second") -> None:
        self.boot, self.ticks = (boot if self.boot else ""), 5.0
        self.wall += down


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "sessions.db", [CLOCK + ";"])


@pytest.fixture
def connection(file: File) -> Iterator[sqlite3.Connection]:
    with closing(file.connect(10.0)) as connection:
        yield connection


@pytest.fixture(params=["first", ""], ids=["boot id", "no boot id"])
def machine(request: pytest.FixtureRequest) -> Machine:
    return Machine(request.param)


def write(connection: sqlite3.Connection, machine: Machine) -> float:
    """Have something written now; the moment of it."""
    clock = host_clock(connection, machine.host)
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        now = clock()
        clock.note(connection)
    return now


@pytest.mark.parametrize("boots", [("first", ""), ("", "first")])
def test_workers_agree_some_of_which_may_not_see_which_start_it_is(
    connection: sqlite3.Connection, boots: tuple[str, str]
) -> None:
    machine = Machine(boots[0])
    one = host_clock(connection, machine.host)
    machine.pass_time(HOUR)
    machine.wall += 20
    machine.boot = boots[1]
    other = host_clock(connection, machine.host)
    assert one() == other() == EPOCH + HOUR


def test_it_begins_with_the_wall_clock_and_counts(
    connection: sqlite3.Connection, machine: Machine
) -> None:
    clock = host_clock(connection, machine.host)
    assert clock() == EPOCH
    machine.pass_time(HOUR)
    assert clock() == EPOCH + HOUR


@pytest.mark.parametrize("step", [-HOUR, -30.0, 30.0, HOUR, 1e9])
def test_a_step_of_the_wall_clock_moves_it_for_no_worker_that_comes_later(
    connection: sqlite3.Connection, step: float
) -> None:
    machine = Machine()
    earlier = host_clock(connection, machine.host)
    machine.pass_time(10.0)
    machine.wall += step
    later = host_clock(connection, machine.host)
    assert earlier() == later() == EPOCH + 10.0


@pytest.mark.parametrize("step", [-30.0, 30.0])
def test_a_small_step_moves_it_for_nobody_where_starts_cannot_be_told_apart(
    connection: sqlite3.Connection, step: float
) -> None:
    machine = Machine(boot="")
    write(connection, machine)
    machine.wall += step
    assert host_clock(connection, machine.host)() == EPOCH


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_large_step_takes_it_back_for_nobody_where_starts_cannot_be_told_apart(
    connection: sqlite3.Connection, step: float
) -> None:
    machine = Machine(boot="")
    now = write(connection, machine)
    machine.wall += step
    assert host_clock(connection, machine.host)() == max(now + 1.0, machine.wall)


def test_after_a_start_the_wall_clock_says_how_long_the_host_was_down(
    connection: sqlite3.Connection, machine: Machine
) -> None:
    write(connection, machine)
    machine.pass_time(HOUR)
    machine.start_again(down=HOUR)
    clock = host_clock(connection, machine.host)
    assert clock() == EPOCH + 2 * HOUR
    machine.pass_time(1.0)
    machine.wall -= HOUR
    if machine.boot:
        assert host_clock(connection, machine.host)() == clock()


@pytest.mark.parametrize("written", [0.0, 0.5, 0.999, 1.0, 7.25])
def test_after_a_start_it_is_behind_nothing_that_was_written(
    connection: sqlite3.Connection,
    machine: Machine,
    written: float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(connection, machine)
    machine.pass_time(written)
    latest = write(connection, machine)
    machine.start_again(down=-HOUR)  # its battery is empty
    assert latest < host_clock(connection, machine.host)() <= latest + 2.0
    assert "behind the latest moment" in caplog.text


def test_the_latest_moment_is_known_though_a_write_failed_meanwhile(
    connection: sqlite3.Connection,
) -> None:
    machine = Machine()
    clock = host_clock(connection, machine.host)
    machine.pass_time(HOUR)
    connection.execute("BEGIN IMMEDIATE")
    clock.note(connection)
    connection.rollback()
    latest = write(connection, machine)
    machine.start_again(down=-2 * HOUR)
    assert host_clock(connection, machine.host)() > latest


def test_a_host_that_was_put_back_to_an_earlier_moment_of_the_same_start_does_not_take_it_back(
    connection: sqlite3.Connection, machine: Machine
) -> None:
    write(connection, machine)
    machine.pass_time(HOUR)
    latest = write(connection, machine)
    machine.pass_time(-HOUR)
    assert host_clock(connection, machine.host)() > latest


def test_a_file_that_comes_from_another_host_has_the_time_of_this_one(
    connection: sqlite3.Connection, machine: Machine
) -> None:
    write(connection, machine)
    other = Machine("another host's")
    other.ticks, other.wall = 1e6, EPOCH + 5.0
    assert host_clock(connection, other.host)() == EPOCH + 5.0


def test_of_two_workers_that_come_first_at_once_one_takes_over_the_other_s(
    file: File, connection: sqlite3.Connection
) -> None:
    machine = Machine()
    others = []

    def come_first(statement: str) -> None:
        if statement.startswith("BEGIN"):
            with closing(file.connect(10.0)) as other:
                others.append(host_clock(other, machine.host))
            machine.wall += HOUR

    connection.set_trace_callback(come_first)
    clock = host_clock(connection, machine.host)
    assert [other() for other in others] == [clock()] == [EPOCH]


def test_it_is_taken_over_without_a_write(file: File, connection: sqlite3.Connection) -> None:
    first = host_clock(connection)
    with closing(file.connect(0.0)) as other:
        other.execute("BEGIN IMMEDIATE")  # so that nobody writes
        with closing(file.connect(0.0, reads=True)) as third:
            assert host_clock(third)() == pytest.approx(first(), abs=60)


def test_the_moment_is_noted_once_a_second_at_most(connection: sqlite3.Connection) -> None:
    machine = Machine()
    host_clock(connection, machine.host)
    before = connection.total_changes
    for _ in range(40):
        machine.pass_time(0.1)
        write(connection, machine)
    assert 3 <= connection.total_changes - before <= 4


# This host.


def test_this_host_tells_its_starts_apart_and_counts_its_sleep() -> None:
    host = this_host()
    assert len(host.boot) == 36
    assert host.ticks() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=60)


TELL = """
import sys
from pathlib import Path
from quart_idle.stores.sqlite.clock import CLOCK, host_clock
from quart_idle.stores.sqlite.file import File
connection = File(Path(sys.argv[1]), [CLOCK + ";"]).connect(10)
print(host_clock(connection)())
"""


def told(path: Path, *before: str, **environment: str) -> float:
    """What a process of its own says that time is."""
    answer = subprocess.run(
        [*before, sys.executable, "-c", TELL, str(path)],
        check=True,
        capture_output=True,
        env=environment or None,
        cwd=Path(__file__).parents[3],
    )
    return float(answer.stdout)


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_processes_agree_whose_wall_clocks_were_set_meanwhile(tmp_path: Path, step: float) -> None:
    clock = StandingTime(tmp_path)
    path = tmp_path / "sessions.db"
    since = time.monotonic()
    first = told(path, **clock.environment)
    assert first == pytest.approx(clock.now, abs=60)
    clock.set(clock.now + step)
    later = told(path, **clock.environment)
    assert 0 < later - first < time.monotonic() - since


USE = """
import asyncio, json, sys
from quart_idle.policy import Limits, deadline
from quart_idle.stores.base import Change
from quart_idle.stores.sqlite import SQLiteStore

async def use(what, path, id):
    limits = Limits(timeout=1000.0)
    store = SQLiteStore(path)
    store.bind(limits, lambda *_: None, timeout=60.0)
    if what == "create":
        await store.create(id, Change({"a": b"1"}, {}))
    found = await store.load(id)
    left = None if isinstance(found, tuple) and hasattr(found, "reason") else (
        deadline(found.clocks, limits)[0] - found.now
    )
    await store.close()
    print(json.dumps(left))

asyncio.run(use(*sys.argv[1:]))
"""


def left(what: str, path: Path, id: str, *before: str, **environment: str) -> float | None:
    """How long a session lives still, by a process of its own, in seconds; None: it is over."""
    answer = subprocess.run(
        [*before, sys.executable, "-c", USE, what, str(path), id],
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[3],
    )
    return cast("float | None", json.loads(answer.stdout))


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_step_of_the_wall_clock_neither_prolongs_nor_shortens_a_session(
    tmp_path: Path, step: float
) -> None:
    clock = StandingTime(tmp_path)
    path = tmp_path / "sessions.db"
    left("create", path, "one", **clock.environment)
    clock.set(clock.now + step)
    assert 900 < (left("load", path, "one", **clock.environment) or 0) <= 1000
    left("create", path, "two", **clock.environment)
    clock.set(clock.now - step)
    assert 900 < (left("load", path, "two", **clock.environment) or 0) <= 1000


# What a start of the host is told by, in a process that sees another.
ANOTHER_START = 'mount --bind $0 /proc/sys/kernel/random/boot_id && exec "$@"'


@pytest.mark.parametrize(
    ("step", "expected"), [(600.0, 400.0), (2000.0, None), (-86_400.0, 1000.0)]
)
def test_a_session_that_outlives_a_start_of_the_host_has_what_the_wall_clock_says_and_no_more(
    tmp_path: Path, step: float, expected: float | None
) -> None:
    clock = StandingTime(tmp_path)
    path, boot = tmp_path / "sessions.db", tmp_path / "boot"
    boot.write_text("another start\n")
    another_start = with_own_mounts("sh", "-c", ANOTHER_START, str(boot))
    if subprocess.run([*another_start, "true"], capture_output=True).returncode:
        pytest.fail("nothing can be mounted here: that takes root")
    left("create", path, "id", **clock.environment)
    clock.set(clock.now + step)
    after = left("load", path, "id", *another_start, **clock.environment)
    if expected is None:
        assert after is None
    else:
        # (The wall clock stands still meanwhile.)
        assert expected - 60 < (after or 0) < min(expected + 60, 1000.001)


def test_processes_agree_one_of_which_has_a_time_namespace(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    first = told(path)
    moved = "unshare", "--time", "--boottime", "1000000", "--fork"
    if subprocess.run([*moved, "true"], capture_output=True).returncode:
        pytest.fail("no time namespace can be made here: that takes root, and Linux 5.6")
    assert 0 < told(path, *moved) - first < 60
