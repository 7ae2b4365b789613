"""``python -m tests.benchmarks [TABLE ...]``: the tables that are named, or all of them."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from . import bound, growth, million, pages, requests, restart, sockets, store, users, ways, workers

_PACKAGES = ("quart", "hypercorn", "wsproto", "uvicorn", "uvloop", "websockets", "redis", "hiredis")
_TABLES = {
    "requests": requests.memory,
    "redis": requests.redis,
    "sqlite": requests.sqlite,
    "stores": requests.stores,
    "profile": requests.profile,
    "sockets": sockets.main,
    "workers": workers.main,
    "idle": workers.idle,
    "million": million.main,
    "store": store.main,
    "users": users.main,
    "ways": ways.main,
    "bound": bound.main,
    "pages": pages.main,
    "host": pages.host,
    "10000": pages.many,
    "growth": growth.main,
    "restart": restart.main,
}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main(names: list[str]) -> None:
    """Print what the figures were measured on, and the tables."""
    unknown = [name for name in names if name not in _TABLES]
    if unknown:
        raise SystemExit(f"no table {', '.join(unknown)}; there are {', '.join(_TABLES)}")
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    load = " ".join(f"{load:.2f}" for load in os.getloadavg())
    print(f"{platform.platform()}, {_processor()}, {os.cpu_count()} CPUs, load {load}")
    print(f"{platform.python_implementation()} {platform.python_version()}, {versions}")
    for name in names or _TABLES:
        _TABLES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
