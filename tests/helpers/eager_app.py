"""The tests' application, with tasks that begin where they are made (Python 3.12)."""

from __future__ import annotations

import asyncio

from tests.helpers.app import app
from tests.helpers.eager_tasks import make_tasks_eager

__all__ = ["app"]


@app.before_serving
async def begin() -> None:
    make_tasks_eager(asyncio.get_running_loop())
