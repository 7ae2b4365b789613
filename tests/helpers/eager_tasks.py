"""Tasks that begin where they are made."""

from __future__ import annotations

import asyncio
from typing import Any


def make_tasks_eager(loop: asyncio.AbstractEventLoop) -> None:
    """Have tasks begin where they are made, and end there if they need not wait (Python 3.12)."""
    factory: Any = getattr(asyncio, "eager_task_factory")  # noqa: B009  (3.11 has none)
    loop.set_task_factory(factory)


class EagerTasks(asyncio.DefaultEventLoopPolicy):
    """Has every loop of the tests' own process make eager tasks."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        make_tasks_eager(loop)
        return loop
