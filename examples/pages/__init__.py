"""Pages with the built-in prompt, with one of their own, a single-page application, and htmx.

Run ``hypercorn examples.pages:app`` and open http://127.0.0.1:8000. Sessions last a minute here, so
that you can watch them expire: sign in, and touch nothing.
"""

from datetime import timedelta

from quart import Quart, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

from .languages import TEXTS

app = Quart(__name__)
idle = QuartIdle(
    app,
    keepalive="activity",
    timeout=timedelta(minutes=1),
    warning=timedelta(seconds=30),
    sign_in_url="/sign-in",
    sign_out_url="/sign-out",
)


@app.context_processor
def choose_language() -> dict[str, object]:
    language = request.accept_languages.best_match(["en", *TEXTS]) or "en"
    return {"language": language, "texts": TEXTS.get(language)}


@app.get("/")
async def home() -> str:
    return await render_template("home.html")


@app.route("/sign-in", methods=["GET", "POST"])
async def sign_in() -> ResponseReturnValue:
    if request.method == "POST":
        session.clear()
        session.user_id = (await request.form)["name"][:100] or None
        return redirect(url_for("home"))
    return await render_template("sign_in.html")


@app.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.end()
    return redirect(url_for("home"))


@app.get("/goodbye")
async def goodbye() -> str:
    return await render_template("goodbye.html", why=request.args.get("why"))


@app.get("/own-prompt")
async def own_prompt() -> str:
    return await render_template("own_prompt.html")


# A single-page application: it signs in and out by fetch, and loads no page for it.


@app.get("/single-page")
async def single_page() -> str:
    return await render_template("single_page.html")


@app.post("/api/sign-in")
async def api_sign_in() -> ResponseReturnValue:
    session.clear()
    session.user_id = (await request.get_json())["name"][:100] or None
    return {"user": session.user_id}


@app.post("/api/sign-out")
async def api_sign_out() -> ResponseReturnValue:
    session.end()
    return "", 204


@app.get("/api/me")
async def me() -> ResponseReturnValue:
    if session.user_id is None:
        return {"reason": session.ended}, 401
    return {"user": session.user_id}


# A view for users who proved lately who they are.


@app.post("/api/recovery-code")
@idle.fresh(within=timedelta(seconds=20))
async def recovery_code() -> ResponseReturnValue:
    return {"code": "4-8-15-16-23-42"}


# What a page asks for by itself is not activity.


@app.get("/unread")
@idle.passive
async def unread() -> dict[str, int]:
    return {"unread": 3}


# htmx: a fragment that the page loads every few seconds.


@app.get("/messages")
@idle.passive
async def messages() -> ResponseReturnValue:
    if session.user_id is None:
        return "", 401
    return await render_template("messages.html")
