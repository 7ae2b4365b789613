"""``examples/pages/other_origin`` for tests: whoever asks to hurry is warned in 3 s.

``PAGES``, ``API`` and the like come from the environment, as JSON in ``QUART_IDLE_TEST``.
"""

from __future__ import annotations

import json
import os
from typing import cast

import quart
from quart import render_template

from quart_idle import Session

# It reads them as it is imported.
os.environ.update(json.loads(os.environ["QUART_IDLE_TEST"]))

from examples.pages import other_origin

app, api = other_origin.app, other_origin.api

session = cast(Session, quart.session)


@app.get("/at/<host>")
async def page_of_an_api_at(host: str) -> str:
    """The page, whose API has another name."""
    return await render_template(
        "other_origin.html", api=other_origin.API.replace("127.0.0.1", host)
    )


@api.get("/hurry")
async def hurry() -> dict[str, str]:
    session.timeout = 33
    return {}
