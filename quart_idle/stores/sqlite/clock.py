"""The clock that counts: the host's, one for all its workers, which nobody sets.

It is a clock of the system that only counts, and is so much ahead of it as the file says. The first
worker after a start of the host notes that down, by the wall clock; the others take it over, and so
do their successors. From then on, nobody's setting of the wall clock moves it. After the next start
it begins anew, but never behind the latest moment that the file knows.

A file that comes from another host, or out of a backup, is to its clock one after a start. Where
the system does not tell one start from another, as only Linux does, the first that opens the file
when the wall clock was set by more than a minute begins anew, too.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

_log = logging.getLogger("quart_idle")

#: How far each file's clock is ahead of the host's counting one, since which start of the host; and
#: the latest moment that is known to have been.
CLOCK: Final = """
CREATE TABLE clock (
    the_only INTEGER PRIMARY KEY CHECK (the_only = 1),
    boot TEXT NOT NULL,
    ahead REAL NOT NULL,
    latest REAL NOT NULL
)
"""

# How often the latest moment is noted at most, in seconds.
_NOTED_EVERY: Final = 1.0

# How far two clocks differ that are taken for the same, where it cannot be told, in seconds.
_SAME: Final = 60.0

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE: Final = Path("/proc/self/timens_offsets")


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _counting() -> Callable[[], float]:
    """The clock that only counts: where the system has one, it goes on while the host sleeps."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return time.monotonic
    # A container may have a time namespace, where it counts from another moment.
    moved = re.search(r"^boottime\s+(-?\d+)\s+(\d+)", _read(_NAMESPACE), re.MULTILINE)
    if moved is None or moved.groups() == ("0", "0"):
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    by = int(moved[1]) + int(moved[2]) / 1e9
    return lambda: time.clock_gettime(time.CLOCK_BOOTTIME) - by


@dataclass(frozen=True)
class Host:
    """The clocks of a host."""

    #: Which of its starts this is; empty: it cannot be told.
    boot: str
    #: Counts seconds from any moment on, the same for all processes.
    ticks: Callable[[], float]
    #: Seconds since the epoch, as somebody set it.
    wall: Callable[[], float] = time.time


def this_host() -> Host:
    """The host that this runs on."""
    return Host(_read(_BOOT), _counting())


class HostClock:
    """Seconds since the epoch, as the file has it. It is called from any thread.

    Args:
        ticks: the clock that counts.
        ahead: how far this one is ahead of it, in seconds.
    """

    def __init__(self, ticks: Callable[[], float], ahead: float) -> None:
        self._ticks = ticks
        self._ahead = ahead

    def __call__(self) -> float:
        return self._ticks() + self._ahead

    def note(self, connection: sqlite3.Connection) -> None:
        """Have the file know what time it is, about; in a transaction that writes."""
        now = self()
        connection.execute(
            "UPDATE clock SET latest = ? WHERE latest <= ?", (now, now - _NOTED_EVERY)
        )


class _Kept(NamedTuple):
    boot: str
    ahead: float
    latest: float


def host_clock(connection: sqlite3.Connection, host: Host | None = None) -> HostClock:
    """The clock of a file; it writes only if it is the first since the host has started.

    Args:
        connection: to the file, in no transaction.
        host: whose clocks they are; None: this one's.

    Raises:
        sqlite3.Error: the file could not be read, or written.
    """
    host = host or this_host()
    ahead = _goes_on(host, _kept(connection))
    if ahead is None:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            ahead = _begin(connection, host)
    return HostClock(host.ticks, ahead)


def _begin(connection: sqlite3.Connection, host: Host) -> float:
    kept = _kept(connection)
    if (ahead := _goes_on(host, kept)) is not None:  # another was first
        return ahead
    ticks, wall = host.ticks(), host.wall()
    now = max(wall, kept.latest + _NOTED_EVERY) if kept else wall
    if now - wall > _SAME:
        _log.warning(
            "the clock of this host is %.0f s behind the latest moment in the file of the "
            "sessions; they count on from there, and the time in between does not count",
            now - wall,
        )
    connection.execute(
        "INSERT OR REPLACE INTO clock VALUES (1, ?, ?, ?)", (host.boot, now - ticks, now)
    )
    return now - ticks


def _kept(connection: sqlite3.Connection) -> _Kept | None:
    row = connection.execute("SELECT boot, ahead, latest FROM clock").fetchone()
    return row and _Kept(*row)


def _goes_on(host: Host, kept: _Kept | None) -> float | None:
    """How far ahead the clock is, if it has been counting without a break."""
    if kept is None:
        return None
    now = host.ticks() + kept.ahead
    is_known = host.boot and kept.boot  # a sandbox may hide it from some workers
    same = kept.boot == host.boot if is_known else abs(now - host.wall()) < _SAME
    # A host that went back to how it was (a snapshot's) has the same start, too.
    return kept.ahead if same and now >= kept.latest else None
