"""What tests start ends with them, even if they are killed: a process that stays sees to it.

(Not by `PR_SET_PDEATHSIG`, which strikes when the thread ends that started a process, and not what
that process starts in turn.)
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from typing import Any


def popen(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that ends with this one, and what it leaves behind with it."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    leash(process.pid)
    return process


def leash(leader: int) -> None:
    """Have a process end with this one: a leader of its group, which ends with it."""
    _line().sendall(b"%d\n" % leader)


@cache
def _line() -> socket.socket:
    """The line to the one that sees to it: its end is ours."""
    ours, theirs = socket.socketpair()
    with theirs:
        # Isolated, and of a session of its own, so that what strikes us does not strike it.
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _end(leader: int) -> None:
    with suppress(OSError):  # it is gone, or its number is another user's by now
        os.killpg(leader, signal.SIGKILL)


def watch(line: socket.socket) -> None:
    """End the groups that are named, each with its leader, and all with the line."""
    leaders: dict[int, int] = {}
    poll = select.poll()
    poll.register(line, select.POLLIN)
    with line.makefile("rb", buffering=0) as names:
        while True:
            for file, _ in poll.poll():
                if file in leaders:
                    poll.unregister(file)
                    _end(leaders.pop(file))
                    os.close(file)
                elif name := names.readline():
                    with suppress(ProcessLookupError):
                        handle = os.pidfd_open(int(name))
                        leaders[handle] = int(name)
                        poll.register(handle, select.POLLIN)
                else:
                    for leader in leaders.values():
                        _end(leader)
                    return


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as given:
        watch(given)
