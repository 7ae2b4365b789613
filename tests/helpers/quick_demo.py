"""The demo, with timeouts of seconds."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

from hypercorn.middleware import DispatcherMiddleware

from examples import demo

with patch.multiple(
    demo,
    TIMEOUT=timedelta(seconds=4),
    WARNING=timedelta(seconds=2),
    CLOSED_TIMEOUT=timedelta(seconds=2),
    PING_INTERVAL=timedelta(seconds=1),
    FRESH=timedelta(seconds=2),
    FORM=timedelta(seconds=0.5),
):
    app = DispatcherMiddleware(
        {
            "/presence": demo.create_app("presence"),
            "/activity": demo.create_app("activity"),
            "": demo.start,
        }
    )
