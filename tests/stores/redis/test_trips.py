"""The way to a server, or to a node of a cluster: with no server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any
from unittest.mock import AsyncMock

import pytest
from redis.exceptions import AskError, ConnectionError, NoScriptError, RedisClusterException

from quart_idle.stores.redis.cluster import NodeConnection
from quart_idle.stores.redis.connection import Connection
from quart_idle.stores.redis.scripts import LATE, Script
from quart_idle.stores.redis.trips import Trips


class _Losing(Connection):
    """A connection on which a cancellation is lost, as under Python 3.11 `asyncio.wait_for` can."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.reached = asyncio.Event()

    async def trip(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        self.reached.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return [b""] * len(commands)


async def test_a_store_closes_though_a_cancellation_is_lost() -> None:
    connection = _Losing()
    trips = Trips(lambda: connection, 60)
    call = asyncio.get_running_loop().create_task(trips.call(Script("return 1"), []))
    await connection.reached.wait()
    async with asyncio.timeout(10):
        await trips.close()
    assert await call == b""
    assert all(task.done() for task in trips._tasks)


@pytest.mark.parametrize("error", [AttributeError(), TypeError(), RedisClusterException()])
async def test_a_node_that_is_lost_on_the_way_there_is_an_error_of_its_command(
    error: Exception,
) -> None:
    node = AsyncMock()
    node.read_response.side_effect = AskError("0 127.0.0.1:1")
    node.execute_command.side_effect = error
    connection = NodeConnection(node, node)
    connection._make = lambda: node
    (answer,) = await connection.trip([("GET", "key")])
    assert isinstance(answer, ConnectionError)


class _Answering(Connection):
    """A connection on which everything is answered by what was asked; all trips are kept."""

    def __init__(self, *, knows: bool = True) -> None:
        super().__init__(lambda: None)
        self.knows = knows
        self.trips: list[list[Sequence[Any]]] = []

    async def trip(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        self.trips.append(list(commands))
        await asyncio.sleep(0)
        return [self._answer(*command) for command in commands]

    def _answer(self, name: str, *arguments: Any) -> Any:
        if name == "TIME":
            return [b"1800000000", b"0"]
        if name == "HGETALL":
            return [b"key", arguments[0]]
        if name == "EVALSHA" and not self.knows:
            return NoScriptError("NOSCRIPT")
        return arguments[-1]


async def test_each_gets_its_own_answer_of_a_trip_for_all() -> None:
    connection = _Answering()
    trips = Trips(lambda: connection, 10)
    script = Script("return ARGV[1]")
    asked = (trips.load(b"one"), trips.call(script, [], b"two"), trips.load(b"three"))
    found = await asyncio.gather(*asked)
    await trips.close()
    now = 1_800_000_000.0
    assert found == [([b"key", b"one"], now), b"two", ([b"key", b"three"], now)]
    (commands,) = connection.trips
    assert [name for name, *_ in commands] == ["TIME", "HGETALL", "HGETALL", "EVALSHA"]


async def test_only_scripts_that_are_not_known_are_sent_whole_and_again() -> None:
    connection = _Answering(knows=False)
    trips = Trips(lambda: connection, 10)
    one, two = Script("return ARGV[1]"), Script("return ARGV[2]")
    asked = (trips.load(b"key"), trips.call(one, [b"a"], b"1"), trips.call(two, [b"b"], b"2"))
    found = await asyncio.gather(*asked)
    await trips.close()
    assert found[1:] == [b"1", b"2"]
    _, again = connection.trips
    assert again == [["EVAL", one.text, 1, b"a", b"1"], ["EVAL", two.text, 1, b"b", b"2"]]


async def test_the_server_s_clock_is_asked_before_the_first_write_and_after_one_that_was_late() -> (
    None
):
    connection = _Answering()
    trips = Trips(lambda: connection, 10)
    script = Script("return ARGV[1]")

    def asked_for_the_time() -> int:
        return sum(commands == [("TIME",)] for commands in connection.trips)

    async def write(answer: Any) -> str:
        until = asyncio.get_running_loop().time() + 5
        assert await trips.call(script, [], answer, until=until) == answer
        return str(connection.trips[-1][0][3])

    assert float(await write(1)) == pytest.approx(1_800_000_005, abs=2)
    await write(1)
    assert asked_for_the_time() == 1
    await write(LATE)
    await write(1)
    await write(1)
    assert asked_for_the_time() == 2
    await trips.close()


class _Slow(_Answering):
    """One that takes a twentieth of a second for each trip."""

    async def trip(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        await asyncio.sleep(0.05)
        return await super().trip(commands)


@pytest.mark.parametrize("knows", [True, False], ids=["clock", "script"])
async def test_a_write_whose_caller_leaves_while_something_else_is_asked_first_is_too_late(
    knows: bool,
) -> None:
    connection = _Slow(knows=knows)
    trips = Trips(lambda: connection, 60)
    if not knows:  # the clock is known, and the script is asked for first
        await trips.call(Script("return 1"), [], until=monotonic() + 60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await trips.call(Script("return 1"), [], until=monotonic() + 0.02)
    before = len(connection.trips)
    while len(connection.trips) < before + 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    (name, _, _, not_after) = connection.trips[-1][0]
    assert name == ("EVALSHA" if knows else "EVAL")
    assert float(not_after) < 1_800_000_001
    await trips.close()
