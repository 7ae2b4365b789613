"""The application's sockets and streams that share a connection with all else: HTTP/2, over TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.helpers.http2 import Secure, http2, secure_by
from tests.helpers.servers import Serve

TARGET = "tests.helpers.bound_app:app"


@pytest.fixture
def secure(tmp_path: Path) -> Secure:
    return secure_by(tmp_path)


async def test_an_end_ends_sockets_and_streams_and_leaves_the_rest_of_the_connection_alone(
    serve: Serve, secure: Secure
) -> None:
    server = serve({"timeout": 60}, *secure.arguments, target=TARGET)
    async with http2(server, secure.context) as connection:
        await connection.request("POST", "/sign-in/ada")
        sockets = [await connection.open("/bound") for _ in range(5)]
        hanging = await connection.open("/hangs?stop")
        assert await hanging.frames.get() == "begun"
        for socket in sockets:
            connection.say(socket, "hello")
            assert await socket.frames.get() == "hello"
        stream = asyncio.create_task(connection.request("GET", "/events"))
        slow = asyncio.create_task(connection.request("GET", "/slow"))
        await asyncio.sleep(0.3)
        # A mere change of token goes on.
        await connection.request("POST", "/regenerate")
        connection.say(sockets[0], "again")
        assert await sockets[0].frames.get() == "again"
        assert not stream.done()
        await connection.request("POST", "/sign-out?reason=by%20hand")
        async with asyncio.timeout(1):
            for socket in (*sockets, hanging):
                assert await socket.closed == (4401, "by hand")
            assert (await stream).body.startswith(b"data: 0")
        for socket in (*sockets, hanging):  # the line is slow
            await asyncio.sleep(0.05)
            connection.answer_close(socket)
        assert (await slow).body == b"whole"
        assert (await connection.request("GET", "/tasks")).headers[":status"] == "200"
        assert not connection.cut.is_set()


async def test_another_user_ends_sockets_and_streams_on_their_own_connection(
    serve: Serve, secure: Secure
) -> None:
    server = serve({"timeout": 60}, *secure.arguments, target=TARGET)
    async with http2(server, secure.context) as connection:
        await connection.request("POST", "/sign-in/ada")
        socket = await connection.open("/bound")
        connection.say(socket, "hello")
        await socket.frames.get()
        stream = asyncio.create_task(connection.request("GET", "/events"))
        await asyncio.sleep(0.3)
        await connection.request("POST", "/sign-in/grace")
        async with asyncio.timeout(1):
            assert await socket.closed == (4409, "regenerated")
            await stream
        connection.answer_close(socket)
        assert not connection.cut.is_set()
