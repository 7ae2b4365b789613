"""``examples/pages/swapped``, for those who cannot wait; and a view that wants a proof."""

from quart import render_template_string

from examples.pages.swapped import SCRIPTS, idle
from examples.pages.swapped import app as example
from tests.helpers.handlers import session
from tests.helpers.quick import with_quick_ends

__all__ = ["app"]

VAULT = """<!doctype html>
<html lang="en"><head><title>Vault</title>{{ quart_idle() }}
<script src="{{ url_for('modules', name=script) }}"></script></head>
<body><form method="post" action="/vault" hx-post="/vault"><label>Text <input name="text"></label>
<button>Open</button></form></body></html>
"""


@example.get("/<any(htmx, htmx4, turbo):library>/vault")
async def vault(library: str) -> str:
    session.user_id = "ada"
    return await render_template_string(VAULT, script=SCRIPTS[library])


@example.post("/vault")
@idle.fresh(within=0.001)
async def open_vault() -> str:
    return "Open"


app = with_quick_ends(example)
