"""A form with two editors, CodeMirror and TinyMCE, whose text is kept as a draft.

Run ``npm install --no-save --no-package-lock codemirror@6 tinymce@8 esbuild``, and build:
``npx esbuild examples/pages/static/editors.js --bundle --format=esm
--outfile=node_modules/editors-page.js``. Then run ``hypercorn examples.pages.editors:app``, and
open http://127.0.0.1:8000. ``NODE_MODULES`` says where npm's folder is, if not here.
"""

import os
import secrets

from quart import Quart, redirect, render_template, request, send_from_directory, session, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

app = Quart(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex()
idle = QuartIdle(app, drafts=True, timeout=60, warning=30, sign_in_url="/")


@app.route("/", methods=["GET", "POST"])
async def home() -> ResponseReturnValue:
    if request.method == "POST":
        session.clear()
        session.user_id = (await request.form)["name"][:100] or None
        return redirect(url_for("home"), 303)
    return await render_template("editors.html")


@app.get("/modules/<path:name>")
@idle.passive
async def modules(name: str) -> ResponseReturnValue:
    return await send_from_directory(os.environ.get("NODE_MODULES", "node_modules"), name)
