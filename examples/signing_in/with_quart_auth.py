"""quart-auth's ``login_user``, ``logout_user`` and ``@login_required``, with a session below them.

Run ``hypercorn examples.signing_in.with_quart_auth:app``.
"""

import secrets
from typing import cast

import quart
from quart import Quart, redirect, render_template_string, request, url_for
from quart.typing import ResponseReturnValue
from quart_auth import (
    Action,
    AuthUser,
    QuartAuth,
    Unauthorized,
    current_user,
    login_required,
    login_user,
    logout_user,
)

from quart_idle import QuartIdle, Session

session = cast(Session, quart.session)


class SessionAuth(QuartAuth):
    """quart-auth with the user in the session, and no cookie of its own."""

    def resolve_user(self) -> AuthUser:
        return self.user_class(session.user_id)

    def login_user(self, user: AuthUser) -> None:
        session.clear()
        session.user_id = user.auth_id
        if user.action == Action.WRITE_PERMANENT:  # login_user(user, remember=True)
            session.permanent = True
        user.action = Action.PASS  # sets no cookie
        super().login_user(user)

    def logout_user(self) -> None:
        session.end()
        super().logout_user()


app = Quart(__name__)
app.secret_key = secrets.token_hex()
QuartIdle(app)
SessionAuth(app)

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
<h1>Hello {{ current_user.auth_id }}</h1>
<form method="post" action="{{ url_for('sign_out') }}"><button>Sign out</button></form>
"""
SIGN_IN = """<!doctype html><title>Sign in</title>
<form method="post"><label>Name <input name="name"></label> <button>Sign in</button></form>
"""


@app.get("/")
@login_required
async def home() -> str:
    return await render_template_string(PAGE, current_user=current_user)


@app.route("/sign-in", methods=["GET", "POST"])
async def sign_in() -> ResponseReturnValue:
    if request.method == "POST":
        login_user(AuthUser((await request.form)["name"][:100] or "somebody"))
        return redirect(url_for("home"))
    return SIGN_IN


@app.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    logout_user()
    return redirect(url_for("sign_in"))


@app.errorhandler(Unauthorized)
async def ask_who(_: Exception) -> ResponseReturnValue:
    return redirect(url_for("sign_in"))
