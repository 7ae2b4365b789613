"""``examples/pages``, for those who cannot wait: whoever posts is signed in, and warned in 3 s."""

from __future__ import annotations

from typing import cast

import quart

from examples.pages import app
from quart_idle import Session

__all__ = ["app"]

session = cast(Session, quart.session)


@app.post("/hurry")
async def hurry() -> str:
    session.clear()
    session.user_id = "Ada"
    session.timeout = 33
    return ""
