"""Requests of one browser that overlap."""

from __future__ import annotations

import asyncio
from typing import Any

from quart_idle import Session
from tests.helpers.handlers import Do
from tests.helpers.site import Browser, Site
from tests.helpers.tampered_store import Gate


class Slow:
    """A view that does something, waits until it is let go, and does something more."""

    def __init__(self, first: Do | None = None, then: Do | None = None) -> None:
        self._first, self._then = first, then
        self.gate = Gate(after=False)

    async def __call__(self, session: Session) -> None:
        if self._first is not None:
            self._first(session)
        await self.gate.passed()
        if self._then is not None:
            self._then(session)


async def cross(
    site: Site, browser: Browser, do: Do, during: Do, *, held: str = "view"
) -> tuple[Any, Any]:
    """Two requests of one browser: the second comes and goes while the first is under way.

    The first is held in the view, or at a store's call: "save" waits before the store has handled
    it, "save after" when it has.
    """
    slow = Slow(then=do)
    name, _, after = held.partition(" ")
    gate = slow.gate if held == "view" else site.store.hold(name, after=bool(after))
    first = browser.copy().start(slow if held == "view" else do)
    await gate.reached.wait()
    second = await browser.visit(during)
    gate.open()
    return await first, second


async def late(browser: Browser, do: Do, *during: Do) -> Any:
    """A request that has read the session when others come and go, and then does something."""
    gate = Gate(after=False)

    async def view(session: Session) -> Any:
        await gate.passed()
        value = do(session)
        return await value if asyncio.iscoroutine(value) else value

    first = browser.copy().start(view)
    await gate.reached.wait()
    for step in during:
        await browser.visit(step)
    gate.open()
    return await first
