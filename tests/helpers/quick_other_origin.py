"""The API of ``examples/pages/other_origin``: whoever asks to hurry is warned in 3 s."""

from __future__ import annotations

from typing import cast

import quart

from examples.pages.other_origin import api
from quart_idle import Session

__all__ = ["api"]

session = cast(Session, quart.session)


@api.get("/hurry")
async def hurry() -> dict[str, str]:
    session.timeout = 33
    return {}
