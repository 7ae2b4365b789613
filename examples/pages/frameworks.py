"""The same single-page application with React, Vue and Alpine: the client in each of them.

Run ``npm install --no-save --no-package-lock react@19 react-dom@19 vue@3 alpinejs@3 esbuild``.
React needs a build: ``npx esbuild examples/pages/static/react.jsx --bundle --jsx=automatic
--format=esm --external:/_idle/* --outfile=node_modules/react-page.js``. Then run
``hypercorn examples.pages.frameworks:app``, and open http://127.0.0.1:8000. ``NODE_MODULES`` says
where npm's folder is, if not here.
"""

import os
import secrets

from quart import Quart, render_template, request, send_from_directory, session
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

app = Quart(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex()
idle = QuartIdle(app, drafts=True, keepalive="activity", timeout=60, warning=30)


@app.get("/")
async def home() -> str:
    return await render_template("frameworks.html")


@app.get("/<any(react, vue, alpine):framework>/<any(letter, notes):_page>")
async def show(framework: str, _page: str) -> str:
    return await render_template(f"{framework}.html")


@app.get("/api/me")
async def me() -> ResponseReturnValue:
    return {"user": session.user_id}


@app.post("/api/sign-in")
async def sign_in() -> ResponseReturnValue:
    session.clear()
    session.user_id = (await request.get_json())["name"][:100] or None
    return {"user": session.user_id}


@app.post("/api/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.end()
    return "", 204


@app.post("/api/letter")
async def send() -> ResponseReturnValue:
    return "", 204 if session.user_id else 401


@app.get("/modules/<path:name>")
@idle.passive
async def modules(name: str) -> ResponseReturnValue:
    return await send_from_directory(os.environ.get("NODE_MODULES", "node_modules"), name)
