"""The bodies of requests: read no further than is needed, and drained where nobody wants them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from hypercorn.typing import ASGIReceiveCallable

#: What is read of a body that nobody wants, before the answer, in bytes and seconds: a client that
#: is cut off while it sends may not see the answer.
MOST_DRAINED: Final = 2**20
DRAIN_TIMEOUT: Final = 5.0


class Body:
    """A request's body that is still to come.

    Args:
        receive: the connection's, as ASGI has it.
    """

    def __init__(self, receive: ASGIReceiveCallable) -> None:
        self._receive = receive
        self._is_over = False

    async def read(self, most: int, timeout: float) -> bytes:
        """The body, as far as is needed to see that it is longer than ``most`` bytes.

        Raises:
            TimeoutError: it did not come within ``timeout`` seconds.
        """
        body = bytearray()
        async with asyncio.timeout(timeout):
            while not self._is_over and len(body) <= most:
                body += await self._next()
        return bytes(body)

    async def drain(self) -> None:
        """Read what is left, if that is not too much, and throw it away."""
        drained = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_TIMEOUT):
                while not self._is_over and drained < MOST_DRAINED:
                    drained += len(await self._next())

    async def _next(self) -> bytes:
        message = await self._receive()
        # Or the client has left.
        self._is_over = message["type"] != "http.request" or not message.get("more_body", False)
        return message.get("body", b"") if message["type"] == "http.request" else b""
