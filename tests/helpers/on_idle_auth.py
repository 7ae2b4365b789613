"""Has quart-auth's own tests run on `IdleAuth`: a plugin of pytest's (see CONTRIBUTING.md)."""

from __future__ import annotations

import quart_auth
from quart import Quart

from quart_idle import QuartIdle
from quart_idle.ext.quart_auth import IdleAuth


class _OnIdle(IdleAuth):
    def init_app(self, app: Quart) -> None:
        if "quart_idle" not in app.extensions:
            QuartIdle(app)
        super().init_app(app)


quart_auth.QuartAuth = _OnIdle  # type: ignore[misc]
