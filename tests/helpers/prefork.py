"""A process that has imported what servers do, and forks them: importing takes a second."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent.parent

# Not what reads its settings when it is imported, as the tests' applications do.
_IMPORTED = (
    "hypercorn.asyncio.run",
    "hypercorn.asyncio.tcp_server",
    "hypercorn.middleware",
    "hypercorn.run",
    "quart_idle.drafts",
    "quart_idle.extension",
    "quart_idle.stores.redis",
    "uvicorn.main",
)


class Forked:
    """A process that was forked elsewhere: what of `subprocess.Popen` is of use here."""

    def __init__(self, line: socket.socket, order: dict[str, Any]) -> None:
        self._line = line
        line.sendall(json.dumps(order).encode() + b"\n")
        # (The exit status of one that ends at once may be there, too: it is for later.)
        self.pid = int(line.recv(line.recv(32, socket.MSG_PEEK).index(b"\n") + 1))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            with suppress(BlockingIOError):
                self.returncode = int(self._line.recv(32, socket.MSG_DONTWAIT))
                self._line.close()
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Its exit status."""
        give_up = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > give_up:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _forker() -> socket.socket:
    """The line to the process; it ends with ours."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-m", __name__, str(theirs.fileno())],
            cwd=_ROOT,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def fork(module: str, arguments: list[str], environment: dict[str, str], log: Path) -> Forked:
    """Run a module as `python -m` does, with all that it writes in a file."""
    ours, theirs = socket.socketpair()
    with theirs:
        socket.send_fds(_forker(), [b"."], [theirs.fileno()])
    order = {"module": module, "arguments": arguments, "environment": environment, "log": str(log)}
    return Forked(ours, order)


def main() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks what became of keepers
    with socket.socket(fileno=int(sys.argv[1])) as orders:
        while True:
            more, lines, *_ = socket.recv_fds(orders, 1, 1)
            if not more:
                return
            line = socket.socket(fileno=lines[0])
            if not os.fork():
                break
            line.close()
    keep(line)


def keep(line: socket.socket) -> None:
    """Fork a server; stay behind, and tell when it ends. Only the server comes back from here."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with line.makefile("rb") as said:
        order = json.loads(said.readline())
    server = os.fork()
    if server:
        line.sendall(b"%d\n" % server)
        ended = os.pidfd_open(server)
        if (
            line.fileno() in select.select([ended, line.fileno()], [], [])[0]
        ):  # who asked for it is gone
            os.kill(server, signal.SIGKILL)
        _, status = os.waitpid(server, 0)
        with suppress(OSError):
            line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    line.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv[1:] = order["arguments"]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
