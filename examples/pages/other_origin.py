"""A single-page application of one origin, and the API that it uses, of another one.

Run ``hypercorn --bind 127.0.0.1:8001 examples.pages.other_origin:api`` and
``hypercorn examples.pages.other_origin:app``, and open http://127.0.0.1:8000. ``PAGES`` and ``API``
say where they are, if not there.
"""

import os

from quart import Quart, Response, render_template, request, session
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

PAGES = os.environ.get("PAGES", "http://127.0.0.1:8000")
API = os.environ.get("API", "http://127.0.0.1:8001")

# The pages: files alone would do.

app = Quart(__name__)


@app.get("/")
async def page() -> str:
    return await render_template("other_origin.html", api=API)


# The API, which has the sessions.

api = Quart(__name__)
api.config.from_prefixed_env()  # such as QUART_SESSION_COOKIE_SAMESITE
api.config["QUART_IDLE_ALLOWED_ORIGINS"] = [PAGES]
idle = QuartIdle(api, keepalive="activity", timeout=60, warning=30)


@api.before_request
async def refuse_other_pages() -> ResponseReturnValue | None:
    if request.method == "POST" and request.headers.get("Origin") != PAGES:
        return "", 403
    return None


@api.after_request
async def let_pages_read(response: Response) -> Response:
    response.vary.add("Origin")
    if request.headers.get("Origin") == PAGES:
        response.headers["Access-Control-Allow-Origin"] = PAGES
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    return response


@api.post("/sign-in")
async def sign_in() -> ResponseReturnValue:
    session.clear()
    session.user_id = (await request.get_json())["name"][:100] or None
    return {"user": session.user_id}


@api.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.end()
    return "", 204


@api.get("/me")
async def me() -> ResponseReturnValue:
    return {"user": session.user_id}
