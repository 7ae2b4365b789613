"""quart-auth's ``login_user``, ``logout_user`` and ``@login_required``, with a session below them.

Run ``hypercorn examples.signing_in.with_quart_auth:app``.
"""

from quart import Quart, redirect, render_template_string, request, url_for, websocket
from quart.typing import ResponseReturnValue
from quart_auth import (
    AuthUser,
    Unauthorized,
    current_user,
    login_required,
    login_user,
    logout_user,
)

from quart_idle import QuartIdle
from quart_idle.ext.quart_auth import IdleAuth

app = Quart(__name__)
idle = QuartIdle(app)
IdleAuth(app)  # in the place of QuartAuth(app)

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
<h1>Hello {{ current_user.auth_id }}</h1>
<form method="post" action="{{ url_for('sign_out') }}"><button>Sign out</button></form>
"""
SIGN_IN = """<!doctype html><title>Sign in</title>
<form method="post">
  <label>Name <input name="name"></label>
  <label><input type="checkbox" name="remember"> Remember me</label>
  <button>Sign in</button>
</form>
"""


@app.get("/")
@login_required
async def home() -> str:
    return await render_template_string(PAGE)


@app.route("/sign-in", methods=["GET", "POST"])
async def sign_in() -> ResponseReturnValue:
    if request.method == "POST":
        form = await request.form
        login_user(AuthUser(form["name"][:100] or "somebody"), remember="remember" in form)
        return redirect(url_for("home"))
    return SIGN_IN


@app.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    logout_user()
    return redirect(url_for("sign_in"))


@app.websocket("/echo")
@login_required
@idle.bound  # closed when the session ends
async def echo() -> None:
    while True:
        await websocket.send(f"{current_user.auth_id}: {await websocket.receive()!r}")


@app.errorhandler(Unauthorized)
async def ask_who(_: Exception) -> ResponseReturnValue:
    return redirect(url_for("sign_in"))
