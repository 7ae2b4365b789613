"""Servers in processes of their own, and what they use."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.request import urlopen

from tests.helpers.redis_servers import free_port

from .contenders import Contender
from .echo import INTERVAL, STORE

# What starting, opening or ending may take, in seconds.
PATIENCE = 300.0

_ROOT = Path(__file__).parent.parent.parent


class Server(NamedTuple):
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def cpu(self) -> float:
        """The CPU time that it has used so far, in seconds."""
        # The clock of another process, as clock_getcpuclockid(3) makes it: /proc has hundredths.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def memory(self) -> float:
        """What it has in memory after a collection of garbage, in KB."""
        os.kill(self.process.pid, signal.SIGUSR1)
        time.sleep(2.0)
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize() / 1024

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())


def _command(contender: Contender, port: int, graceful: int | None) -> list[str]:
    target = f"{contender.make.__module__}:{contender.make.__name__}"
    if contender.server == "uvicorn":
        return [
            *(sys.executable, "-m", "uvicorn", "--factory", target, "--port", str(port)),
            *("--loop", contender.loop, "--log-level", "warning", "--backlog", "4096"),
            # Its own pings would all fall into one part of the window.
            *("--ws-ping-interval", "3600"),
            *(() if graceful is None else ("--timeout-graceful-shutdown", str(graceful))),
        ]
    return [
        *(sys.executable, "-m", "hypercorn", f"{target}()"),
        *("--workers", str(contender.workers)),
        *("--bind", f"127.0.0.1:{port}", "--worker-class", contender.loop, "--backlog", "4096"),
        *(() if graceful is None else ("--graceful-timeout", str(graceful))),
    ]


def start(
    contender: Contender,
    port: int,
    log: Path,
    *,
    interval: float,
    store: str = "",
    graceful: int | None = None,
) -> Server:
    """A server of a contender; it answers when this is over."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            _command(contender, port, graceful),
            cwd=_ROOT,
            env={**os.environ, INTERVAL: str(interval), STORE: store},
            stderr=file,
            stdout=file,
            start_new_session=True,  # it is ended with its workers
        )
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                raise RuntimeError(f"the server did not start:\n{log.read_text()}") from None
            time.sleep(0.02)
        else:
            return Server(process, port, log)


@contextmanager
def serve(contender: Contender, *, interval: float, store: str = "") -> Iterator[Server]:
    """A server on a free port: one worker, in one process, unless the contender has more."""
    with TemporaryDirectory() as folder:
        server = start(contender, free_port(), Path(folder) / "log", interval=interval, store=store)
        try:
            yield server
        finally:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()
