"""How long a read takes over sockets: the median and the 99th percentile, beside bare Quart's."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from quart import Quart

from tests.helpers.redis_servers import redis_server

from . import applications
from .connections import CONNECTIONS, TIME, compare
from .contenders import Contender
from .echo import STORE

_ROUNDS = 15


def memory() -> Quart:
    return applications.ours()


def by_hand() -> Quart:
    return applications.redis_by_hand(os.environ[STORE])


def quart_session() -> Quart:
    return applications.quart_session(os.environ[STORE])


def flask_session() -> Quart:
    return applications.flask_session_on_redis(os.environ[STORE])


def stored() -> Quart:
    return applications.ours(os.environ[STORE])


BARE = Contender("bare Quart, null session", applications.bare, sessions=False)
MEMORY = Contender("QuartIdle on memory", memory)
REDIS = Contender("QuartIdle on Redis", stored, kept="redis")
_CONTENDERS = (
    BARE,
    Contender("Quart's signed cookie", applications.signed),
    MEMORY,
    Contender("GETEX by hand", by_hand, kept="redis"),
    Contender("quart-session", quart_session, kept="redis"),
    Contender("Flask-Session", flask_session, kept="redis"),
    REDIS,
)


def main() -> None:
    """Print the table."""
    print(
        f"\nms for a read over sockets, {CONNECTIONS} connections, one worker of hypercorn, Redis "
        f"on the same machine;\nmedians of {_ROUNDS} rounds of {TIME} s in turn, and of their "
        "ratios to bare Quart's of the same round"
    )
    with TemporaryDirectory() as folder, redis_server(Path(folder)) as server:
        compare(_CONTENDERS, BARE, ["/read"], _ROUNDS, server.url)
