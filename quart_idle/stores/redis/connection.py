"""A connection to Redis: commands go out together, and their answers come back in order.

It is a connection of redis-py's, without redis-py's pipelines and pool. What a load costs this
process (microseconds of CPU, redis-py 8.1 on Python 3.11; `ways` of tests/benchmarks), with 64 at
once and alone:

- this, and what `trips` does: 24 and 134;
- a pipeline of redis-py's for each trip, over a pool of its own: 34 and 242;
- one command each, from a pool: 127 and 152.

With pipelines a request that comes alone would cost a fifth more where it reads, and a third where
it writes. Of requests that come 64 at once it would be about a twentieth. And a client's own
retries would send writes again whose callers have given up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import ConnectionError, RedisError, ResponseError

#: A command, as Redis takes it.
Command = Sequence[Any]

#: What the transports of CPython 3.12 and later say, beside errors of the system, when something is
#: written to a connection that was lost: `writelines` does not look.
LOST: Final = (AttributeError, TypeError)


class Connection:
    """A connection of its own, one trip at a time.

    It is none of a pool's: what a pool of the application's holds is the application's.

    Args:
        make: makes a connection of redis-py's that is not connected yet.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._connection: Any = None

    async def trip(self, commands: Sequence[Command]) -> list[Any]:
        """What is answered to each; an error that Redis answers is among the answers."""
        if self._connection is None:
            self._connection = self._make()
            await connect(self._connection)
        connection = self._connection
        packed = connection.pack_commands(commands)
        try:
            await connection.send_packed_command(packed, check_health=False)
        except LOST as error:
            raise ConnectionError("the connection was lost") from error
        answers = []
        for _ in commands:
            try:
                answers.append(await connection.read_response(disable_decoding=True))
            except ResponseError as error:
                answers.append(error)
        return answers

    async def drop(self) -> None:
        """Forget a connection whose answers may still be on their way."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)


async def connect(connection: Any) -> None:
    """Connect one.

    Raises:
        MasterNotFoundError: no Sentinel names a master. It is told in our words: redis-py's hold
            the Sentinels' clients, and with some releases these hold their passwords.
    """
    try:
        await connection.connect()
    except MasterNotFoundError as error:
        met = set(re.findall(r" - (?:\w+:)?(\w+)", str(error))) & set(vars(exceptions))
    else:
        return
    why = f" ({', '.join(sorted(met))})" if met else ""
    service = connection.connection_pool.service_name
    # (Not where the other one is handled: what tells of errors may tell of that one, too.)
    raise MasterNotFoundError(f"no Sentinel names a master called {service!r}{why}")


def timeless(connection: Any) -> Any:
    """Take a connection's own time-out away, since what it is used for has one.

    Sending under it is `asyncio.wait_for`, which under Python 3.11 can lose a cancellation: whoever
    closes the store would wait for ever.
    """
    connection.socket_timeout = None
    return connection
