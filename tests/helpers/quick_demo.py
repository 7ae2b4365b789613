"""The demo, with timeouts of seconds: these, or what a test asks for."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from datetime import timedelta
from unittest.mock import patch

from hypercorn.middleware import DispatcherMiddleware

from examples import demo

SECONDS = {
    "TIMEOUT": 4.0,
    "WARNING": 2.0,
    "CLOSED_TIMEOUT": 2.0,
    "PING_INTERVAL": 1.0,
    "FRESH": 2.0,
    "FORM": 0.5,
} | json.loads(os.environ["QUART_IDLE_TEST"])

with ExitStack() as stack:
    for name, seconds in SECONDS.items():
        stack.enter_context(patch.object(demo, name, timedelta(seconds=seconds)))
    app = DispatcherMiddleware(
        {
            "/presence": demo.create_app("presence"),
            "/activity": demo.create_app("activity"),
            "": demo.start,
        }
    )
