"""Servers of the tests' own, on free ports, and users who sign in there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.helpers.leash import popen
from tests.helpers.prefork import Forked, fork

_ROOT = Path(__file__).parent.parent.parent
# A server that can be killed and made to stand still: otherwise that hits only hypercorn's master.
ONE_PROCESS = ("--workers", "0")


_LISTENING = re.compile(r"[Rr]unning on (https?)://127\.0\.0\.1:(\d+)")


@dataclass
class Server:
    """A hypercorn or uvicorn of the test's own."""

    process: subprocess.Popen[bytes] | Forked
    port: int
    log: Path
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def text(self) -> str:
        """What it logged so far."""
        return self.log.read_text()

    def stop(self) -> int:
        """End it gently; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def has_workers(arguments: tuple[str, ...]) -> bool:
    """Whether hypercorn is to have a master, and workers beside it."""
    if "--workers" in arguments:
        return arguments[arguments.index("--workers") + 1] != "0"
    return "--config" in arguments


def start(
    target: str,
    folder: Path,
    settings: dict[str, Any] | None = None,
    *arguments: str,
    port: int = 0,
    server: str = "hypercorn",
    environment: dict[str, str] | None = None,
) -> Server:
    """Start a server and wait until it listens.

    It is one process, which is forked where nothing asks for workers or another environment.
    """
    log = folder / f"server-{time.monotonic_ns()}.log"
    log.touch()
    options = {
        "hypercorn": ["--bind", f"127.0.0.1:{port}", "--graceful-timeout", "1"],
        "uvicorn": ["--port", str(port)],
    }
    command = [target, *options[server], *arguments]
    variables = {**os.environ, "QUART_IDLE_TEST": json.dumps(settings or {}), **(environment or {})}
    process: subprocess.Popen[bytes] | Forked
    if environment or has_workers(arguments):
        with log.open("wb") as output:
            process = popen(
                [sys.executable, "-X", "dev", "-m", server, *command],
                cwd=_ROOT,
                env=variables,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
    else:
        alone = ["--workers", "0"] if server == "hypercorn" else []
        process = fork(server, [*command, *alone], variables, log)
    until = time.monotonic() + 120  # with workers, each of which imports everything anew
    while time.monotonic() < until and process.poll() is None:
        if found := _LISTENING.search(log.read_text()):
            return Server(process, int(found[2]), log, found[1])
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise RuntimeError(f"{server} did not start:\n{log.read_text()}")


Serve = Callable[..., Server]
NewClient = Callable[[Server], httpx.AsyncClient]


async def signed_in(server: Server, client: NewClient, **data: Any) -> httpx.AsyncClient:
    """A user with a session."""
    user = client(server)
    (await user.post("/sign-in/ada", params=data)).raise_for_status()
    return user
