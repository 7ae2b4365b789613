"""WebDriver BiDi: commands to Firefox, and its answers, on one WebSocket."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from websockets.asyncio.client import ClientConnection

from tests.helpers.engines.driver import DriverError

# How long a command may take, in seconds.
_PATIENCE = 60.0


class Line:
    """Commands to the browser, and its answers."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def hear(self) -> None:
        try:
            async for text in self._socket:
                answer = json.loads(text)
                waiting = self._waiting.pop(answer.get("id"), None)
                if waiting and not waiting.done():
                    waiting.set_result(answer)
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(DriverError("the browser is gone"))

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await answer
        except TimeoutError:
            raise TimeoutError(f"{method} {parameters}: no answer") from None
        if found["type"] == "error":
            raise DriverError(f"{method}: {found['error']}: {found['message']}")
        result: dict[str, Any] = found["result"]
        return result

    async def ask_window(self, expression: str) -> Any:
        """What this gives in the browser's own window: a text, or nothing."""
        tree = await self.send("browsingContext.getTree", **{"moz:scope": "chrome"})
        found = await self.send(
            "script.evaluate",
            expression=f"(async () => String(await ({expression})))()",
            awaitPromise=True,
            target={"context": tree["contexts"][0]["context"]},
        )
        if found["type"] == "exception":
            raise DriverError(found["exceptionDetails"]["text"])
        return found["result"]["value"]
