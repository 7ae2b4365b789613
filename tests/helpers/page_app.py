"""The pages that `tests/client` opens: those of `app`, and some that ask more of the client.

Settings come from the environment, as JSON in ``QUART_IDLE_TEST``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from quart import Response, render_template_string, request

from examples.pages import languages
from tests.helpers.app import app, idle, session

__all__ = ["app"]

LETTER = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Letter</title>
<link rel="stylesheet" href="/letter.css">
{% if own == "before" %}<script type="module" src="/own.js"></script>{% endif %}
{{ quart_idle(integrity=integrity, nonce=nonce) }}
{% if own == "after" %}<script type="module" src="/own.js"></script>{% endif %}
</head>
<body>
<main>
<h1>Signed in as {{ session.user_id }}</h1>
<form action="/letter" data-quart-idle-draft="letter">
<label for="letter">Your letter</label>
<textarea id="letter" name="letter" rows="6"></textarea>
<button>Send</button>
</form>
<form><label>Search <input name="search"></label></form>
<form method="post" action="/transfer?to=eve#form"><button>Transfer</button></form>
{{ more or "" }}
{% if framed %}<iframe src="/frame" title="Frame"></iframe>{% endif %}
</main>
</body>
</html>
"""

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui }
main { max-width: 36em; margin: 2em auto; padding: 0 1em }
textarea { display: block; box-sizing: border-box; width: 100%; margin: .5em 0; font: inherit }
button { font: inherit }
"""

OWN = """
import { idle } from "/_idle/quart-idle.js";
window.atFirst = [idle.state, idle.left === Infinity];
window.idle = idle;
"""

FRAME = """<!doctype html>
<html lang="en"><title>Frame</title><label>Inside <input></label></html>
"""

SIGN_IN = """<!doctype html>
<html lang="en"><title>Sign in</title>
<form method="post"><label>Name <input name="name"></label> <button>Sign in</button></form></html>
"""

# What is foreign takes its time, and so does the rest of the page.
SLOW = """<!doctype html>
<html lang="en"><head><title>Slow</title><link rel="stylesheet" href="/slow.css">
{{ quart_idle() }}<script src="/slow.js"></script></head><body>
"""

# An application of one page, which loads the client itself.
BARE = """<!doctype html>
<html lang="en"><title>Bare</title><script type="module" src="/own.js"></script><h1>Bare</h1></html>
"""

POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'self'; connect-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@app.get("/letter")
async def letter() -> Response:
    """A page in which one can write; the query says what else it has."""
    asked = request.args
    text = await render_template_string(
        LETTER,
        integrity="integrity" in asked,
        nonce=asked.get("nonce"),
        own=asked.get("own"),
        framed="framed" in asked,
    )
    response = Response(text, mimetype="text/html")
    if "csp" in asked:
        nonce = asked.get("nonce")
        scripts = f"'nonce-{nonce}'" if nonce else "'self'"
        if "strict" in asked:
            scripts += " 'strict-dynamic'"
        policy = POLICY.format(scripts=scripts)
        if "requests" in asked:  # and no sockets
            policy = policy.replace("connect-src 'self'", f"connect-src {request.host_url}_idle/")
        response.headers["Content-Security-Policy"] = policy
    if "cached" in asked:
        response.headers["Cache-Control"] = "private, max-age=60"
    return response


transfers = 0


@app.route("/transfer", methods=["GET", "POST"])
async def transfer() -> str:
    """A request that is not to be repeated."""
    global transfers
    transfers += request.method == "POST"
    return await render_template_string(LETTER, more=f"Transfers: {transfers}")


@app.get("/slow")
async def slow() -> Response:
    """A page that comes in two parts, and waits for others meanwhile."""
    head = await render_template_string(SLOW)
    own = '<script type="module" src="/own.js" async></script>' if "own" in request.args else ""

    async def body() -> AsyncIterator[str]:
        if own:
            yield "<!doctype html>" + own
            await asyncio.sleep(2)
        yield head
        await asyncio.sleep(4)
        yield "<h1>Here at last</h1></body></html>"

    return Response(body(), mimetype="text/html")


@app.get("/slow.<kind>")
@idle.passive
async def slow_part(kind: str) -> Response:
    await asyncio.sleep(4)
    return Response("", mimetype={"css": "text/css", "js": "text/javascript"}[kind])


@app.get("/file")
@idle.passive
async def file() -> Response:
    """A download."""
    disposition = {"Content-Disposition": "attachment; filename=file.txt"}
    return Response("text", mimetype="text/plain", headers=disposition)


@app.get("/bare")
@idle.passive
async def bare() -> str:
    return BARE


@app.get("/language/<language>")
async def in_language(language: str) -> str:
    """The page of the example, in a language."""
    texts = languages.TEXTS.get(language)
    return await render_template_string(languages.PAGE, language=language, texts=texts)


@app.get("/letter.css")
async def style() -> Response:
    return Response(STYLE, mimetype="text/css")


@app.get("/own.js")
async def own() -> Response:
    """The application's own module, as the guide to pages has it."""
    return Response(OWN, mimetype="text/javascript")


@app.get("/frame")
@idle.passive
async def frame() -> str:
    return FRAME


@app.get("/sign-in")
@idle.passive
async def ask_who_it_is() -> Response:
    if "csrf" in request.args:
        session["csrf"] = "a token"
    response = Response(SIGN_IN, mimetype="text/html")
    if "apart" in request.args:  # as Microsoft's is
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


@app.post("/sign-in")
async def welcome() -> Any:
    session.clear()
    session.user_id = (await request.form)["name"]
    return "Welcome"
