"""The pages of `page_app`, and a view for those who proved lately who they are."""

from __future__ import annotations

from tests.helpers.app import idle
from tests.helpers.page_app import app

__all__ = ["app"]


@app.post("/secret")
@idle.fresh(within=2)
async def secret() -> str:
    return "secret"
