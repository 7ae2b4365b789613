"""The demo: sessions with timeouts that a person can watch.

Run ``hypercorn examples.demo:app`` and open http://127.0.0.1:8000.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast
from urllib.parse import urlsplit

import quart
from hypercorn.middleware import DispatcherMiddleware
from quart import Quart, abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle, Session, SessionInfo

Keepalive = Literal["presence", "activity"]

TIMEOUT: Final = timedelta(minutes=1)
WARNING: Final = timedelta(seconds=30)
CLOSED_TIMEOUT: Final = timedelta(seconds=30)
LIFETIME: Final = timedelta(minutes=15)
# For how long a sign-in is enough to sign out other devices.
FRESH: Final = timedelta(minutes=1)
# A form is not sent again by itself: so there is time for the page with it, too.
FORM: Final = timedelta(minutes=5)
PING_INTERVAL: Final = timedelta(seconds=5)

MINUTE: Final = timedelta(minutes=1)

LONGEST_NAME: Final = 40
LONGEST_NOTE: Final = 4000  # characters

PRIVATE: Final = ("note", "overview", "devices", "end_device", "others", "end_others")

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# Quart's type for it, Flask's, does not know of users and clocks.
session = cast(Session, quart.session)


def in_words(duration: timedelta) -> str:
    """A duration of whole minutes, or of seconds."""
    seconds = round(duration.total_seconds())
    number, unit = (seconds, "second") if seconds % 60 else (seconds // 60, "minute")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


ENDED: Final = {
    "idle": f"You were signed out because nothing happened for {in_words(TIMEOUT)}.",
    "closed": f"You were signed out {in_words(CLOSED_TIMEOUT)} after your last page was closed.",
    "lifetime": f"You were signed out because a session lasts {in_words(LIFETIME)} at most.",
    "signed out": "You signed out.",
    "ended from elsewhere": "You were signed out from another device.",
    "signed out everywhere": "You were signed out everywhere.",
    "unknown": "Your last session is over. It is not known any more why.",
}


def why(reason: str | None) -> str | None:
    """Why a session ended, in plain words; None where there was none."""
    return None if reason is None else ENDED.get(reason, ENDED["unknown"])


def ago(moment: datetime) -> str:
    """How long ago that was, in plain words."""
    # This host's clock may be behind the store's.
    minutes = max(0, (datetime.now(UTC) - moment) // MINUTE)
    return f"{in_words(minutes * MINUTE)} ago" if minutes else "a moment ago"


def active(device: SessionInfo) -> str:
    """Whether a page is open there, or else when it was used last."""
    return "Active now" if device.pages else f"Last active {ago(device.active_at)}"


def signed_in(device: SessionInfo) -> str:
    """When and from where its user signed in."""
    since = "" if device.authenticated_at is None else f" {ago(device.authenticated_at)}"
    return f"Signed in{since}" + (f" from {device.address}" if device.address else "")


def way_back() -> str:
    """Where whoever signs in was going: a page of this host's."""
    path = request.args.get("next", "")
    return path if re.fullmatch(r"/(?![/\\])[!-~]*", path) else url_for("note")


def new_app(keepalive: Keepalive | None) -> Quart:
    """An application with the pages' look and names, and no views yet."""
    app = Quart(__name__)
    app.jinja_env.globals.update(
        timeout=TIMEOUT,
        warning=WARNING,
        closed_timeout=CLOSED_TIMEOUT,
        lifetime=LIFETIME,
        longest_name=LONGEST_NAME,
        longest_note=LONGEST_NOTE,
        keepalive=keepalive,
    )
    app.jinja_env.filters.update(in_words=in_words, why=why, active=active, signed_in=signed_in)

    @app.after_request
    async def protect(response: quart.Response) -> quart.Response:
        response.headers["Content-Security-Policy"] = POLICY
        return response

    return app


def left() -> dict[str, int | None]:
    """What the session has left until its deadline, and in all: in milliseconds, as events do."""
    until_end, ends, began = session.remaining, session.expires_at, session.created_at
    if until_end is None or ends is None or began is None:
        return {"left": None, "total": None}
    total = began + LIFETIME - (ends - until_end)
    millisecond = timedelta(milliseconds=1)
    return {"left": until_end // millisecond, "total": total // millisecond}


def create_app(keepalive: Keepalive) -> Quart:
    """The demo in one keepalive mode, to be mounted under the mode's name."""
    app = new_app(keepalive)
    # The modes are two applications on one host: neither may take the other's cookie for its own.
    app.config["SESSION_COOKIE_NAME"] = f"{keepalive}_session"
    app.config["SESSION_COOKIE_PATH"] = f"/{keepalive}"
    idle = QuartIdle(
        app,
        keepalive=keepalive,
        timeout=TIMEOUT,
        warning=WARNING,
        closed_timeout=CLOSED_TIMEOUT if keepalive == "presence" else None,
        lifetime=LIFETIME,
        ping_interval=PING_INTERVAL,
        site_name="quart-idle demo",
        sign_in_url=f"/{keepalive}/sign-in",
        sign_out_url=f"/{keepalive}/sign-out",
    )

    @app.before_request
    async def refuse_pages_of_other_origins() -> None:
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.host:
            abort(403)

    @app.before_request
    async def ask_who() -> ResponseReturnValue | None:
        if request.scope["path"] == request.root_path:  # no route: it lacks the slash
            return redirect(url_for("note"))
        if request.endpoint in PRIVATE and session.user_id is None:
            return redirect(url_for("sign_in"))
        return None

    @idle.fresh(FRESH)
    async def require_proof() -> None:
        """Called before what a script asks for, which asks again once there is a proof."""

    @idle.fresh(FRESH + FORM)
    async def require_proof_for_form() -> None:
        """Called before what a form asks for."""

    @app.before_request
    async def require_proof_to_end_sessions() -> None:
        if request.endpoint in ("end_device", "end_others"):
            await require_proof_for_form()
        elif request.endpoint == "quart_idle_sessions" and request.method == "DELETE":
            await require_proof()

    @app.route("/sign-in", methods=["GET", "POST"])
    async def sign_in() -> ResponseReturnValue:
        if request.method == "POST":
            name = (await request.form).get("name", "").strip()[:LONGEST_NAME]
            if name:
                if session.user_id == name:
                    session.authenticated()  # the same session, with its note
                else:
                    previous = session.ended
                    session.clear()
                    session.user_id = name
                    session["previous"] = previous
                return redirect(way_back())
        # Whoever signs out keeps no cookie that could tell of it.
        ended = "signed out" if "signed_out" in request.args else session.ended
        return await render_template("sign_in.html", ended=ended)

    @app.post("/sign-out")
    async def sign_out() -> ResponseReturnValue:
        session.end()
        return redirect(url_for("sign_in", signed_out=""))

    @app.route("/", methods=["GET", "POST"])
    async def note() -> ResponseReturnValue:
        if request.method == "POST":
            # Browsers send two characters for a line's end, and count one.
            text = (await request.form).get("note", "").replace("\r\n", "\n")
            session["note"] = text[:LONGEST_NOTE]
            session["saved_at"] = datetime.now(UTC)
            return redirect(url_for("note"))
        return await render_template("note.html")

    @app.get("/session")
    async def overview() -> str:
        return await render_template("session.html", **left())

    # A page polls this. Were it activity, the page would keep its user signed in on its own.
    @app.get("/left")
    @idle.passive
    async def tell_left() -> dict[str, int | None]:
        return left()

    @app.get("/devices")
    async def devices() -> str:
        found = await idle.sessions.of(session.user_id or "")
        # In a thread, as it takes a moment to find out what is not known yet.
        browsers = await asyncio.to_thread(lambda: [device.browser for device in found])
        return await render_template("devices.html", devices=[*zip(found, browsers, strict=True)])

    @app.post("/devices/<id>/end")
    async def end_device(id: str) -> ResponseReturnValue:
        if session.user_id is not None:
            await idle.sessions.end_of(session.user_id, id)
        return redirect(url_for("devices"))

    @app.get("/devices/others")
    @idle.fresh(FRESH)  # who has not just signed in does so again
    async def others() -> str:
        found = await idle.sessions.of(session.user_id or "")
        return await render_template("others.html", others=len(found) - 1)

    @app.post("/devices/others")
    async def end_others() -> ResponseReturnValue:
        await session.end_others()
        return redirect(url_for("devices"))

    return app


start = new_app(None)


@start.get("/")
async def choose() -> str:
    return await render_template("start.html")


app = DispatcherMiddleware(
    {"/presence": create_app("presence"), "/activity": create_app("activity"), "": start}
)
