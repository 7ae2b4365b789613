"""``examples/pages/frameworks``, for those who cannot wait: whoever posts is warned in 3 s."""

from __future__ import annotations

from typing import cast

import quart

from examples.pages.frameworks import app
from quart_idle import Session

__all__ = ["app"]

session = cast(Session, quart.session)


@app.post("/hurry")
async def hurry() -> str:
    session.timeout = 33
    return ""


@app.post("/end")
async def end() -> str:
    session.end()
    return ""
