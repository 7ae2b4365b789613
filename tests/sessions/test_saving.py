"""Saving and reading now: in handlers of sockets, streams and background tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import (
    Response,
    stream_with_context,
    websocket,
)

from quart_idle import Session
from tests.helpers.handlers import Do, end, look, put, regenerate, sign_in, why
from tests.helpers.site import MakeSite


async def test_save_writes_now(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    async def do(session: Session) -> Any:
        session["a"] = 2
        await session.save()
        seen = (await browser.copy().visit(look)).value
        session["b"] = 3
        return seen, session.modified

    assert (await browser.visit(do)).value == ({"a": 2}, True)
    assert (await browser.visit(look)).value == {"a": 2, "b": 3}


async def test_save_makes_a_session_whose_cookie_the_response_carries(site: MakeSite) -> None:
    browser = site().browser()

    async def do(session: Session) -> None:
        session["a"] = 1
        await session.save()
        session["b"] = 2

    await browser.visit(do)
    assert (await browser.visit(look)).value == {"a": 1, "b": 2}


def clear_and_put(session: Session) -> None:
    session.clear()
    session.user_id = "ada"
    session["b"] = 2


@pytest.mark.parametrize(
    ("do", "call"),
    [
        (put(b=2), "save"),
        (lambda session: session["cart"].append(1), "save"),
        (lambda session: setattr(session, "timeout", 5), "save"),
        (regenerate, "regenerate"),
        (sign_in("bob"), "regenerate"),
        (clear_and_put, "regenerate"),
        (end(), "end"),
    ],
)
async def test_what_was_saved_is_not_saved_again(site: MakeSite, do: Do, call: str) -> None:
    here = site()
    browser = await here.signed_in(cart=[])

    async def save(session: Session) -> None:
        do(session)
        for _ in range(2):
            await session.save()

    await browser.visit(save)
    assert here.store.calls == ["load", call]


async def test_reload_reads_now_and_drops_what_was_not_saved(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    async def do(session: Session) -> Any:
        session["a"] = 0
        session["c"] = 0
        await browser.copy().visit(put(b=2))
        await session.reload()
        return dict(session), session.modified

    assert (await browser.visit(do)).value == ({"a": 1, "b": 2}, False)
    assert (await browser.visit(look)).value == {"a": 1, "b": 2}


async def test_reload_drops_an_end_that_was_not_saved(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> Any:
        session.end()
        await session.reload()
        return dict(session), session.ended, session.modified

    answer = await browser.visit(do)
    assert answer.value == ({"a": 1}, None, False)
    assert answer.cookie is None
    assert (await browser.visit(look)).value == {"a": 1}


async def test_reload_finds_a_session_that_was_made_and_ended_in_one_request(
    site: MakeSite,
) -> None:
    async def do(session: Session) -> Any:
        session["a"] = 1
        await session.save()
        session.end()
        await session.reload()
        return dict(session)

    browser = site().browser()
    assert (await browser.visit(do)).value == {"a": 1}
    assert (await browser.visit(look)).value == {"a": 1}


async def test_reload_waits_for_a_save_that_is_under_way(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)

    async def do(session: Any) -> Any:
        session["a"] = 2
        gate = here.store.hold("save")
        task = asyncio.create_task(session._get_current_object().save())
        await gate.reached.wait()
        asyncio.get_running_loop().call_later(0.1, gate.open)
        await session.reload()
        found = dict(session)
        await task
        return found, session.modified

    assert (await browser.visit(do)).value == ({"a": 2}, False)


async def test_reload_of_a_session_that_is_over_empties_it_and_tells_why(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    async def do(session: Session) -> Any:
        await browser.copy().visit(end("elsewhere"))
        await session.reload()
        return dict(session), session.id, session.user_id, session.ended

    assert (await browser.visit(do)).value == ({}, None, None, "elsewhere")


async def test_a_streaming_body_saves(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)

    def stream(session: Session) -> Response:
        @stream_with_context
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            session["streamed"] = True
            await session.save()

        return Response(body())

    await browser.visit(stream)
    assert (await browser.visit(look)).value == {"a": 1, "streamed": True}


async def test_a_background_task_saves(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    tasks: list[asyncio.Task[None]] = []

    def do(session: Any) -> None:
        own = session._get_current_object()

        async def work() -> None:
            await here.clock.advance(5)
            own["worked"] = True
            await own.save()

        tasks.append(asyncio.get_running_loop().create_task(work()))

    await browser.visit(do)
    assert (await browser.visit(look)).value == {"a": 1}
    await tasks[0]
    assert (await browser.visit(look)).value == {"a": 1, "worked": True}


@pytest.mark.parametrize(
    ("before", "do"), [(put(a=1), regenerate), (put(a=1), sign_in("bob")), (None, put(b=1))]
)
async def test_a_new_token_that_no_response_can_carry_is_an_error(
    site: MakeSite, before: Do | None, do: Do
) -> None:
    browser = site().browser()
    await browser.visit(before)
    refused: list[str] = []

    def stream(session: Session) -> Response:
        @stream_with_context
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            do(session)
            try:
                await session.save()
            except RuntimeError as error:
                refused.append(str(error))

        return Response(body())

    await browser.visit(stream)
    assert len(refused) == 1
    assert "needs a new cookie" in refused[0]
    assert (await browser.visit(look)).value == ({"a": 1} if before else {})


async def test_a_socket_s_handler_saves_and_reloads(site: MakeSite) -> None:
    browser = await site().signed_in(a=1)
    done = asyncio.Event()

    async def do(session: Session) -> None:
        session["b"] = 2
        await session.save()
        await browser.copy().visit(put(c=3))
        await session.reload()
        await websocket.send_json(dict(session))
        session.regenerate()
        with pytest.raises(RuntimeError, match="needs a new cookie"):
            await session.save()
        await session.reload()
        session.end("by socket")
        await session.save()
        done.set()

    async with browser.client.websocket("/socket", scope_base={"do": do}) as socket:
        assert await socket.receive_json() == {"a": 1, "b": 2, "c": 3}
        await done.wait()
    assert (await browser.visit(why)).value == "by socket"
