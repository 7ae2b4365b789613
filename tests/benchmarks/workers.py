"""How long requests take over sockets to two workers of one host, and what idle workers cost."""

from __future__ import annotations

import gc
import os
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from quart import Quart

from tests.helpers.redis_servers import redis_server

from . import applications, sockets
from .connections import CONNECTIONS, TIME, compare
from .contenders import Contender
from .echo import STORE
from .serving import serve

_ROUNDS = 9
# How long idle workers are looked at, in seconds, and how often.
_IDLE, _LOOKS = 10.0, 3


def _file() -> Path:
    return Path(os.environ[STORE].removeprefix("sqlite:///"))


# Python looks for garbage less often than by default, as the guide to deployment advises: a look at
# all of it takes so long that it would be the 99th percentile of everybody.


def _calm(app: Quart) -> Quart:
    gc.set_threshold(10_000, 50, 1000)
    return app


def bare() -> Quart:
    return _calm(applications.bare())


def memory() -> Quart:
    return _calm(sockets.memory())


def stored() -> Quart:
    return _calm(sockets.stored())


def by_hand() -> Quart:
    return _calm(applications.sqlite_by_hand(_file().with_name("hand.db")))


def flask_session() -> Quart:
    return _calm(applications.flask_session_on_files(_file().with_name("cache")))


_MEMORY = Contender("QuartIdle on memory", memory)
_SQLITE = Contender("QuartIdle on SQLite", stored, kept="files")
_TWO_WORKERS = (
    Contender("bare Quart", bare, sessions=False),
    _SQLITE,
    Contender("QuartIdle on Redis", stored, kept="redis"),
    Contender("sqlite3 in a thread", by_hand, kept="files"),
    Contender("Flask-Session on files", flask_session, kept="files"),
)
_CONTENDERS = (
    _MEMORY,
    _SQLITE,
    *(one._replace(name=f"{one.name}, two workers", workers=2) for one in _TWO_WORKERS),
)

# (These are as they are by default.)
_FILE = Contender("QuartIdle on SQLite", sockets.stored, kept="files")
_IDLERS = (
    *((sockets.BARE, 1), (sockets.MEMORY, 1), (sockets.REDIS, 1)),
    *((_FILE, 1), (_FILE, 4)),
)


def main() -> None:
    """Print the table of requests."""
    print(
        f"\nms for a request over sockets, {CONNECTIONS} connections, one or two workers of "
        f"hypercorn, files and Redis on the same machine;\nmedians of {_ROUNDS} rounds of {TIME} s "
        "in turn, and of their ratios to one worker's on memory of the same round"
    )
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        compare(_CONTENDERS, _MEMORY, ["/read", "/write"], _ROUNDS, server.url)


def idle() -> None:
    """Print what workers cost that have nothing to do."""
    print(f"\nCPU of a worker that has nothing to do, in % of a core; median of {_LOOKS} looks")
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        for contender, many in _IDLERS:
            redis = contender.kept == "redis"
            store = server.url if redis else f"sqlite:///{folder}/{many}.db"
            with ExitStack() as stack:
                workers = [
                    stack.enter_context(serve(contender, interval=25.0, store=store))
                    for _ in range(many)
                ]
                time.sleep(3.0)  # what a start has left to do
                looks = []
                for _ in range(_LOOKS):
                    used = sum(worker.cpu() for worker in workers)
                    time.sleep(_IDLE)
                    used = sum(worker.cpu() for worker in workers) - used
                    looks.append(used / many / _IDLE * 100)
            print(
                f"{f'{contender.name}, {many} of them':40}{median(looks):7.3f} "
                f"({min(looks):.3f} to {max(looks):.3f})",
                flush=True,
            )
