"""What one page is sent, alone: in order, to a reader as slow as can be, and to none."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quart_idle.presence.sending import Sender
from tests.helpers.clock import Clock


class Reader:
    """A connection whose reader takes its time, or is gone."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.takes = 0.0
        self.at_once = 0
        self.fault: Exception | None = None

    async def send(self, message: Any) -> None:
        self.at_once += 1
        assert self.at_once == 1, "two frames are sent at once"
        try:
            if self.takes:
                await asyncio.sleep(self.takes)
            if self.fault is not None:
                raise self.fault
        finally:
            self.at_once -= 1
        self.got.append(message.get("text", message.get("code", message["type"])))


async def accepted(reader: Reader) -> Sender:
    sender = Sender(reader.send)
    await sender.accept()
    reader.got.clear()
    return sender


async def test_frames_come_in_order_one_at_a_time(clock: Clock) -> None:
    reader = Reader()
    sender = await accepted(reader)
    reader.takes = 1.0
    for number in range(5):
        sender.push(str(number))
        await clock.advance(0.3)
    assert reader.got == ["0"]
    await clock.advance(10)
    assert reader.got == ["0", "1", "2", "3", "4"]


async def test_a_page_that_does_not_read_is_kept_sixteen_frames_and_no_more(clock: Clock) -> None:
    reader = Reader()
    sender = await accepted(reader)
    reader.takes = 1.0
    for number in range(100):
        sender.push(str(number))
    await clock.advance(200)
    assert reader.got == [str(number) for number in range(16)]
    sender.push("again")
    await clock.advance(2)
    assert reader.got[-1] == "again"


async def test_a_goodbye_goes_before_what_waits_and_nothing_comes_after_it(clock: Clock) -> None:
    reader = Reader()
    sender = await accepted(reader)
    reader.takes = 1.0
    async with sender.close_timeout:
        for number in range(5):
            sender.push(str(number))
        await clock.advance(0.5)
        sender.close(4401, "idle")
        sender.close(1001, "too late")
        await clock.advance(4)
    assert reader.got == ["0", 4401]
    assert sender.goodbye == (4401, "idle")


async def test_a_page_that_is_closed_before_the_handshake_is_told_after_it(clock: Clock) -> None:
    reader = Reader()
    sender = Sender(reader.send)
    sender.close(4401, "signed out")
    await clock.advance(1)
    assert reader.got == []
    async with sender.close_timeout:
        await sender.accept()
        await clock.advance(1)
    assert reader.got == ["websocket.accept", 4401]


async def test_a_connection_that_is_gone_harms_nobody(clock: Clock) -> None:
    reader = Reader()
    sender = await accepted(reader)
    reader.fault = RuntimeError("gone")
    for number in range(20):
        sender.push(str(number))
    await clock.advance(1)
    reader.fault = None
    sender.push("back")
    await clock.advance(1)
    assert reader.got == ["back"]


@pytest.mark.parametrize(("shared", "seconds"), [(False, 5), (True, 60)])
async def test_who_does_not_answer_a_goodbye_is_waited_for_a_time(
    clock: Clock, shared: bool, seconds: float
) -> None:
    sender = await accepted(Reader())
    sender.connection_shared = shared

    async def serve() -> None:
        async with sender.close_timeout:
            await asyncio.Event().wait()

    serving = asyncio.ensure_future(serve())
    await clock.advance(1000)
    sender.close(4401, "idle")
    await clock.advance(seconds - 0.1)
    assert not serving.done()
    await clock.advance(0.2)
    assert isinstance(serving.exception(), TimeoutError)


async def test_a_goodbye_to_a_page_that_has_just_left_does_no_harm(clock: Clock) -> None:
    reader = Reader()
    sender = await accepted(reader)
    async with sender.close_timeout:
        pass
    sender.close(4401, "idle")
    await clock.advance(1)
    assert reader.got == [4401]


async def test_what_is_being_sent_is_given_up_with_the_connection(clock: Clock) -> None:
    reader = Reader()
    sender = await accepted(reader)
    sender.stop()
    reader.takes = 1000.0
    before = asyncio.all_tasks()
    sender.push("never")
    await clock.advance(1)
    assert asyncio.all_tasks() != before
    sender.stop()
    await clock.advance(1)
    assert asyncio.all_tasks() == before
    assert reader.got == []
