"""A form whose unsent text is not lost when the session ends.

Run ``hypercorn examples.drafts:app`` and open http://127.0.0.1:8000. Sign in, type something, and
wait for a minute without touching anything; sign in again with the same name.
"""

import os
import secrets
from datetime import timedelta

from quart import Quart, abort, redirect, render_template_string, request, session, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

app = Quart(__name__)
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex()
QuartIdle(
    app,
    drafts=True,
    keepalive="activity",
    timeout=timedelta(minutes=1),
    warning=timedelta(seconds=20),
    sign_out_url="/sign-out",
)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Comment</title>
{{ quart_idle() }}
<h1>Hello {{ session.user_id }}</h1>
{% if sent %}<p>You sent: {{ sent }}</p>{% endif %}
<form data-quart-idle-draft="comment" method="post">
  <p><label>Comment<br><textarea name="comment" rows="6" cols="60"></textarea></label></p>
  <p><label>Password <input name="password" type="password"></label>, which is never kept</p>
  <input type="hidden" name="csrf_token" value="{{ session["csrf_token"] }}">
  <button>Send</button>
</form>
</html>
"""

SIGN_IN = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sign in</title>
<form method="post"><label>Name <input name="name"></label> <button>Sign in</button></form>
</html>
"""


@app.before_request
async def check_csrf_token() -> None:
    # The page's client sends no token of ours: with a draft, where the route checks the origin
    # itself, and by the prompt's "Sign out", to which other sites send no cookie (SameSite=Lax).
    without = ("sign_in", "sign_out", "quart_idle_drafts")
    if request.method != "POST" or request.endpoint in without:
        return
    expected, sent = session.get("csrf_token"), (await request.form).get("csrf_token", "")
    if expected is None or not secrets.compare_digest(expected.encode(), sent.encode()):
        abort(400)


@app.route("/", methods=["GET", "POST"])
async def comment() -> ResponseReturnValue:
    if session.user_id is None:
        return redirect(url_for("sign_in"))
    sent = (await request.form)["comment"] if request.method == "POST" else None
    return await render_template_string(PAGE, sent=sent)


@app.route("/sign-in", methods=["GET", "POST"])
async def sign_in() -> ResponseReturnValue:
    if request.method == "POST":
        session.clear()
        session.user_id = (await request.form)["name"][:100] or None
        session["csrf_token"] = secrets.token_urlsafe()
        return redirect(url_for("comment"))
    return await render_template_string(SIGN_IN)


@app.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.end()
    return redirect(url_for("sign_in"))
