"""The application that the black-box and browser tests talk to, under hypercorn.

Settings come from the environment, as JSON in ``QUART_IDLE_TEST``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any, cast

import quart
from hypercorn.middleware import ProxyFixMiddleware
from quart import (
    Quart,
    Response,
    copy_current_request_context,
    jsonify,
    render_template_string,
    request,
    stream_with_context,
    websocket,
)

from quart_idle import QuartIdle, Session

session = cast(Session, quart.session)

app = Quart(__name__)
app.secret_key = "what drafts are encrypted by"  # noqa: S105
idle = QuartIdle(app, **json.loads(os.environ.get("QUART_IDLE_TEST", "{}")))

PAGE = """<!doctype html>
<html lang="{{ lang or 'en' }}">
<head><title>Test</title>{{ quart_idle(nonce=nonce, texts=lang and {"stay": "Ficar"}) }}</head>
<body><h1>Signed in as {{ session.user_id }}</h1>
<form><label>Note <input id="note" name="note"></label></form></body>
</html>
"""


FORM = """<!doctype html>
<html lang="en">
<head><title>Letter</title>{{ quart_idle() }}
<style>
  :root { color-scheme: light dark }
  body { font: medium/1.5 system-ui; max-width: 36em; margin: 2em auto; padding: 0 1em }
  form { display: grid; grid-template-columns: repeat(3, 1fr); gap: .75em }
  label { display: block } input:not([type]), textarea { display: block; width: 100% }
</style></head>
<body><h1>A letter by {{ session.user_id }}</h1>
<form data-quart-idle-draft="letter" method="post" action="/form">
<label>Subject <input name="line"></label> <label>Place <input name="line"></label>
<label>Text <textarea name="text"></textarea></label>
<label><input type="checkbox" name="tag" value="urgent"> Urgent</label>
<label><input type="checkbox" name="tag" value="secret" checked> Secret</label>
<label>Copies <select name="copy" multiple><option>Bob<option>Eve</select></label>
<label>Password <input type="password" name="password"></label>
<label>Card <input name="card" autocomplete="section-a cc-number"></label>
<label>Code <input name="code" autocomplete="one-time-code"></label>
<label>Check <input name="csc" autocomplete="SECTION-a Billing CC-CSC"></label>
<label>Nickname <input name="nickname" autocomplete="off"></label>
<input type="hidden" name="csrf" value="csrf-token">
<button>Send</button></form></body>
</html>
"""


# Names that hide what the browser has under them: of fields, of images, of the page's own script.
HIDDEN_IN_FORMS = [
    *("elements", "dataset", "name", "submit", "getAttribute", "querySelectorAll", "isConnected"),
    *("getRootNode", "localName", "nodeType", "autocomplete", "form", "addEventListener"),
]
HIDDEN_IN_DOCUMENTS = [
    *("createElement", "createEvent", "hidden", "dispatchEvent", "querySelectorAll", "forms"),
    *("addEventListener", "adoptedStyleSheets", "documentElement", "readyState", "scripts", "body"),
]
NAMES = """<!doctype html>
<html lang="en"><head><title>Names</title></head><body>
{% for name in pictures %}<img name="{{ name }}" alt="">{% endfor %}
<script>
  class Event {}
  class CustomEvent {}
  class Document {}
  var open = "at nine", state = 1, user = 2, name = 3;
</script>
{{ quart_idle() }}
<form data-quart-idle-draft="names" method="post" action="/form">
{% for name in fields %}<input name="{{ name }}" aria-label="{{ name }}">{% endfor %}
</form></body></html>
"""


def _facts() -> dict[str, Any]:
    left = session.remaining
    return {
        "id": session.id,
        "user": session.user_id,
        "ended": session.ended,
        "new": session.new,
        "left": None if left is None else left.total_seconds(),
        "data": dict(session),
    }


@app.get("/")
async def index() -> dict[str, Any]:
    """Activity, and a look at the session."""
    return _facts()


@app.get("/peek")
@idle.passive
async def peek() -> dict[str, Any]:
    """The same, and no activity."""
    return _facts()


@app.get("/pid")
async def pid() -> str:
    """Which worker answers."""
    return str(os.getpid())


@app.get("/untouched")
async def untouched() -> str:
    """Activity that does not look at the session."""
    return "untouched"


@app.post("/sign-in/<user>")
async def sign_in(user: str) -> dict[str, Any]:
    """Sign in; the query's arguments become data."""
    session.clear()
    session.user_id = user
    session.update(request.args.to_dict())
    if "timeout" in request.args:
        session.timeout = float(request.args["timeout"])
    return {}


@app.post("/set")
async def put() -> dict[str, Any]:
    """Set the query's arguments, after ``wait`` seconds."""
    wait = float(request.args.get("wait", 0))
    session.update({key: value for key, value in request.args.items() if key != "wait"})
    await asyncio.sleep(wait)
    return {}


@app.post("/regenerate")
async def regenerate() -> dict[str, Any]:
    """Change the token."""
    session.regenerate()
    return {}


@app.post("/sign-out")
async def sign_out() -> dict[str, Any]:
    """End the session."""
    session.end(request.args.get("reason", "signed out"))
    return {}


@app.post("/sign-out-everywhere/<user>")
async def sign_out_everywhere(user: str) -> dict[str, Any]:
    """End all sessions of a user, but for one's own."""
    return {"ended": await idle.sessions.end_all(user, keep=session.id)}


@app.get("/page")
async def page() -> Response:
    """A page that holds its session open; ``csp`` asks for a strict policy, ``lang`` for a text."""
    nonce, lang = request.args.get("nonce"), request.args.get("lang")
    text = await render_template_string(PAGE, nonce=nonce, lang=lang)
    response = Response(text, mimetype="text/html")
    if "csp" in request.args:
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src '{f'nonce-{nonce}' if nonce else 'self'}'; "
            "style-src 'self'; "
            f"connect-src {request.args['csp'] or chr(39) + 'self' + chr(39)}; "
            "require-trusted-types-for 'script'"
        )
    return response


@app.route("/form", methods=["GET", "POST"])
async def form() -> str:
    """A form whose unsent content is kept."""
    return await render_template_string(FORM)


@app.get("/names")
async def names() -> str:
    """A page whose names get in the way."""
    return await render_template_string(NAMES, pictures=HIDDEN_IN_DOCUMENTS, fields=HIDDEN_IN_FORMS)


@app.get("/stream")
async def stream() -> Response:
    """A body that goes on after the response was saved, and writes by ``save``."""

    @stream_with_context
    async def body() -> AsyncIterator[bytes]:
        yield b"begun "
        session["streamed"] = "yes"
        await session.save()
        yield b"saved"

    return Response(body())


@app.websocket("/echo")
async def echo() -> None:
    """The application's own socket: sets what it gets as ``key=value``, and says the data."""
    while True:
        text = str(await websocket.receive())
        if text == "reload":
            await session.reload()
        elif text == "end":
            session.end("by socket")
            await session.save()
        else:
            key, _, value = text.partition("=")
            session[key] = value
            try:
                await session.save()
            except Exception as error:
                await websocket.send(type(error).__name__)
                continue
        await websocket.send(json.dumps({"data": dict(session), "ended": session.ended}))


@app.errorhandler(503)
async def unavailable(_: Exception) -> Any:
    """The application's own words."""
    return jsonify(error="come back later"), 503


@app.post("/later")
async def later() -> str:
    """A background task that writes when the response is long gone."""

    @copy_current_request_context
    async def write() -> None:
        await asyncio.sleep(0.2)
        session["later"] = "yes"
        await session.save()

    app.add_background_task(write)
    return ""


proxied = ProxyFixMiddleware(app)
