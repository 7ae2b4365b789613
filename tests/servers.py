"""Redis servers of the tests' own, on free ports; their time can be told to stand still."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

EPOCH = 1_800_000_000


def need(name: str, package: str) -> str:
    """A program's path."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{name} is missing: apt-get install {package}")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StandingTime:
    """A server's clock that stands still, and is moved on by hand.

    libfaketime is put between the server and the system. (libc after it, since Debian's Redis
    allocates by jemalloc, which asks for the time while libfaketime is not ready to tell it.)
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "time"
        self.set(EPOCH)

    @property
    def environment(self) -> dict[str, str]:
        found = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
        if not found:
            raise RuntimeError("libfaketime is missing: apt-get install libfaketime")
        return {
            "LD_PRELOAD": f"{found[0]} libc.so.6",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": "UTC",
        }

    def set(self, now: float) -> None:
        self.now = now
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S")
        new = self._file.with_suffix(".new")
        new.write_text(moment)
        new.replace(self._file)

    def __call__(self) -> float:
        return self.now

    async def advance(self, seconds: float) -> None:
        self.set(self.now + seconds)
        await asyncio.sleep(0.05)  # for what the server tells


@dataclass
class RedisServer:
    """A redis-server of the test's own."""

    process: subprocess.Popen[bytes]
    port: int
    command: list[str]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def client(self) -> Redis:
        return Redis(port=self.port, socket_timeout=10)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.resume()
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Once more, with the data that it kept."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        self.wait()

    def wait(self) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                with self.client as client:
                    client.ping()
            except RedisError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError("redis-server did not start")


@contextmanager
def redis_server(
    folder: Path, *arguments: str, clock: StandingTime | None = None, port: int = 0
) -> Iterator[RedisServer]:
    """A server that keeps nothing on disk, unless its arguments say so."""
    port = port or free_port()
    command = [
        *(need("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"),
        *("--dir", str(folder), "--save", "", "--appendonly", "no", *arguments),
    ]
    process = subprocess.Popen(
        command,
        env={**os.environ, **(clock.environment if clock else {})},
        stdout=subprocess.DEVNULL,
    )
    server = RedisServer(process, port, command)
    try:
        server.wait()
        yield server
    finally:
        server.stop()
