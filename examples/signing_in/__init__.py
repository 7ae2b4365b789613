"""Signing in with a password, signing out, and what else an application does with its session.

Run ``hypercorn examples.signing_in:app`` and open http://127.0.0.1:8000. The user is "ada", the
password "lovelace".
"""

import asyncio
import logging
import re
from datetime import UTC, datetime, timedelta

from quart import (
    Quart,
    copy_current_request_context,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
    websocket,
)
from quart.typing import ResponseReturnValue
from quart.utils import run_sync
from werkzeug.security import check_password_hash, generate_password_hash

from quart_idle import QuartIdle, SessionEnded

logging.basicConfig(level=logging.INFO)

app = Quart(__name__)
idle = QuartIdle(
    app,
    timeout=timedelta(minutes=30),
    lifetime=timedelta(hours=12),
    sign_in_url="/sign-in",
    sign_out_url="/sign-out",
)

# Where a database would be.
USERS = {"ada": generate_password_hash("lovelace")}
NOBODY = generate_password_hash("what is compared where there is no such user")

# What a new page says of the session before it.
WHY = {
    "idle": "You were signed out because you were away.",
    "lifetime": "You were signed out because you had been signed in for 12 hours.",
    "closed": "You were signed out after your last page was closed.",
    "password changed": "Your password was changed. Please sign in with the new one.",
    "unknown": "You are signed out.",
}


@app.before_request
async def require_user() -> ResponseReturnValue | None:
    if session.user_id is None and request.endpoint not in ("sign_in", "static"):
        return redirect(url_for("sign_in"))
    return None


@app.route("/sign-in", methods=["GET", "POST"])
async def sign_in() -> ResponseReturnValue:
    if session.ended is not None:
        app.logger.info("a session is over: %s", session.ended)
    if request.method == "POST":
        form = await request.form
        name, password = form.get("name", ""), form.get("password", "")
        if await run_sync(check_password_hash)(USERS.get(name, NOBODY), password):
            remember = "remember" in form
            if session.user_id == name:
                session.authenticated()  # proved it once more: the same session, a new token
            else:
                session.clear()  # nothing of whoever was there before
                session.user_id = name  # signs in: the cookie gets a new token
                session.permanent = remember  # the cookie outlives the browser
            return redirect(way_back())
        await flash("Wrong name or password.")
    why = WHY.get(session.ended or "")
    return await render_template("sign_in.html", why=why)


def way_back() -> str:
    """Where whoever signs in was going: a page of this application, never of another host."""
    path = request.args.get("next", "")
    return path if re.fullmatch(r"/(?![/\\])[!-~]*", path) else url_for("home")


@app.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.end()
    return redirect(url_for("sign_in"))


@app.get("/")
async def home() -> str:
    return await render_template("home.html")


@app.get("/settings")
@idle.fresh(timedelta(minutes=5))  # below the route: after five minutes, the password again
async def settings() -> str:
    return await render_template("settings.html")


@idle.fresh(timedelta(minutes=5))
async def require_proof() -> None:
    """Called by a view, or before it: where only some requests want a proof."""


@app.before_request
async def require_proof_to_end_sessions() -> None:
    if request.endpoint == "quart_idle_sessions" and request.method == "DELETE":
        await require_proof()


@app.post("/password")
@idle.fresh(timedelta(minutes=10))  # time for the form, too: a POST is not repeated
async def change_password() -> ResponseReturnValue:
    password = (await request.form)["password"]
    USERS[session.user_id or ""] = await run_sync(generate_password_hash)(password)
    session.regenerate()  # a copy of the old cookie is of no use any more
    await session.end_others("password changed")  # in other browsers, with their pages
    return redirect(url_for("home"))


# Outside a response, nobody saves the session for you.


@app.websocket("/cart")
async def cart() -> None:
    while True:
        session["cart"] = await websocket.receive_json()
        try:
            await session.save()
        except SessionEnded:  # signed out in the meantime; nothing was written
            return


@app.post("/report")
async def report() -> str:
    @copy_current_request_context
    async def write() -> None:
        session["report"] = "ready"  # what takes its time
        await session.save()

    app.add_background_task(write)
    return "It is being written."


@app.websocket("/clock")
@idle.bound  # below the route: the socket is closed when the session ends
async def clock() -> None:
    while True:
        await websocket.send(f"{datetime.now(UTC):%H:%M:%S}")
        await asyncio.sleep(1)
