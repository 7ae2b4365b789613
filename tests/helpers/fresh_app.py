"""The pages of `page_app`, and a view for those who proved lately who they are."""

from __future__ import annotations

from quart import render_template_string

from tests.helpers.app import idle, session
from tests.helpers.page_app import LETTER, app

__all__ = ["app"]


@app.post("/secret")
@idle.fresh(within=2)
async def secret() -> str:
    return "secret"


@app.get("/visitor")
async def visitor() -> str:
    """A page with a session that is nobody's."""
    session["cart"] = ["tea"]
    return await render_template_string(LETTER)
