"""What the examples lack for those who cannot wait."""

from __future__ import annotations

from typing import cast

import quart

from quart_idle import Session

session = cast(Session, quart.session)


async def hurry() -> str:
    """Whoever posts here is warned in 3 s."""
    session.timeout = 33
    return ""


async def end() -> str:
    session.end()
    return ""


def with_quick_ends(app: quart.Quart) -> quart.Quart:
    """The application, and two routes by which its sessions are over soon, or at once."""
    app.add_url_rule("/hurry", view_func=hurry, methods=["POST"])
    app.add_url_rule("/end", view_func=end, methods=["POST"])
    return app
