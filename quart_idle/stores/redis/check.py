"""Whether the servers are such that sessions are safe there: asked once, and told in the log."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError, ResponseError

from ...exceptions import StoreUnavailable
from .cluster import Cluster
from .connection import connect
from .packing import to_text
from .trips import Server

_log = logging.getLogger("quart_idle")


async def check_servers(trips: Server | Cluster, timeout: float) -> bool:
    """Say what is wrong with them. False: not all could be asked.

    Args:
        trips: the way there.
        timeout: how long it may take, in seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            for connection in await trips.connections():
                await _check(connection)
    except (RedisError, OSError, StoreUnavailable):
        return False
    return True


async def _check(connection: Any) -> None:
    try:
        await connect(connection)
        await connection.send_command("INFO")
        info = to_text(await connection.read_response(disable_decoding=True))
    except ResponseError as error:  # not everybody may ask
        _log.info("Redis does not say what it is: %s", error)
    else:
        for wrong in wrong_with(info):
            _log.error(wrong)
    finally:
        await connection.disconnect(nowait=True)


def wrong_with(info: str) -> Iterator[str]:
    """What is wrong with a server, by what it tells of itself."""
    facts = dict(re.findall(r"^(redis_version|maxmemory_policy):(.*?)\r?$", info, re.MULTILINE))
    version = facts.get("redis_version", "7")
    if int(version.partition(".")[0]) < 7:
        yield f"this is Redis {version}; sessions need Redis 7.0 or later"
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield (
            "Redis throws sessions away when it is full, which signs users out: set "
            f"maxmemory-policy to noeviction (it is {policy})"
        )
