"""Pages that htmx or Turbo swap: they are loaded once, and have one client and one socket.

Run ``npm install --no-save --no-package-lock htmx.org@2 htmx4@npm:htmx.org@4
@hotwired/turbo@8``, then ``hypercorn examples.pages.swapped:app``, and open http://127.0.0.1:8000.
``NODE_MODULES`` says where npm's folder is, if not here.
"""

import os
import secrets

from quart import Quart, redirect, render_template, request, send_from_directory, session, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

app = Quart(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex()
idle = QuartIdle(
    app,
    drafts=True,
    keepalive="activity",
    timeout=60,
    warning=30,
    sign_in_url="/",
)

SCRIPTS = {
    "htmx": "htmx.org/dist/htmx.min.js",
    "htmx4": "htmx4/dist/htmx.min.js",
    "turbo": "@hotwired/turbo/dist/turbo.es2017-umd.js",
}


@app.get("/")
async def home() -> str:
    return await render_template("swapped.html", libraries=SCRIPTS)


@app.route("/<any(htmx, htmx4, turbo):library>/<any(letter, notes):page>")
async def show(library: str, page: str) -> ResponseReturnValue:
    if session.user_id is None:
        return redirect(url_for("sign_in", library=library))
    return await render_template(
        "swapped.html", library=library, page=page, script=SCRIPTS[library]
    )


@app.route("/<any(htmx, htmx4, turbo):library>/sign-in", methods=["GET", "POST"])
async def sign_in(library: str) -> ResponseReturnValue:
    if request.method == "POST":
        session.clear()
        session.user_id = (await request.form)["name"][:100] or None
        # Turbo follows a form's redirect only if it says 303.
        return redirect(url_for("show", library=library, page="notes"), 303)
    return await render_template("swapped.html", library=library, script=SCRIPTS[library])


@app.post("/<any(htmx, htmx4, turbo):library>/sign-out")
async def sign_out(library: str) -> ResponseReturnValue:
    session.end()
    return redirect(url_for("sign_in", library=library), 303)


@app.get("/modules/<path:name>")
@idle.passive
async def modules(name: str) -> ResponseReturnValue:
    return await send_from_directory(os.environ.get("NODE_MODULES", "node_modules"), name)
