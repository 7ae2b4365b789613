"""Bodies of requests, alone: read no further than is needed."""

from __future__ import annotations

import asyncio
from itertools import chain, repeat
from typing import Any

import pytest

from quart_idle.bodies import Body
from tests.helpers.clock import Clock


class Connection:
    """What a client sends, a chunk at a time; then it waits."""

    def __init__(self, *chunks: bytes, ends: bool = True, leaves: bool = False) -> None:
        last = len(chunks) - 1
        self._messages: Any = iter(
            {"type": "http.request", "body": chunk, "more_body": not ends or number < last}
            for number, chunk in enumerate(chunks)
        )
        if leaves:
            self._messages = chain(self._messages, repeat({"type": "http.disconnect"}))
        self.calls = 0

    async def receive(self) -> Any:
        self.calls += 1
        for message in self._messages:
            return message
        return await asyncio.Event().wait()

    @property
    def body(self) -> Body:
        return Body(self.receive)


async def test_a_body_is_put_together(clock: Clock) -> None:  # noqa: ARG001
    assert await Connection(b"one ", b"", b"two").body.read(512, 10) == b"one two"
    assert await Connection(b"").body.read(512, 10) == b""


async def test_no_more_is_read_than_tells_that_it_is_too_long(clock: Clock) -> None:  # noqa: ARG001
    connection = Connection(*[b"x" * 100] * 50)
    assert len(await connection.body.read(512, 10)) == 600
    assert connection.calls == 6


async def test_a_client_that_leaves_has_sent_what_it_has_sent(clock: Clock) -> None:  # noqa: ARG001
    connection = Connection(b"half", ends=False, leaves=True)
    body = connection.body
    assert await body.read(512, 10) == b"half"
    await body.drain()
    assert connection.calls == 2, "there is nothing to wait for any more"


async def test_a_body_that_does_not_come_in_time_is_not_waited_for(clock: Clock) -> None:
    began = clock.monotonic()
    with pytest.raises(TimeoutError):
        await Connection(b"half", ends=False).body.read(512, 10)
    assert 9.9 < clock.monotonic() - began < 10.1


async def test_what_nobody_wants_is_read_to_its_end_unless_that_is_far_away(clock: Clock) -> None:
    short, endless = Connection(*[b"x" * 1000] * 7), Connection(*[b"x" * 65_536] * 1000)
    await short.body.drain()
    await endless.body.drain()
    assert (short.calls, endless.calls) == (7, 16)
    began = clock.monotonic()
    await Connection(b"slow", ends=False).body.drain()
    assert 4.9 < clock.monotonic() - began < 5.1
