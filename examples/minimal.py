"""Leave the page open for hours, and you are still signed in; close it, and soon you are not."""

from quart import Quart, redirect, render_template_string, request, session
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

app = Quart(__name__)
QuartIdle(app, timeout=15 * 60)

PAGE = """<!doctype html><html lang="en"><title>Hello</title>{{ quart_idle() }}
{% if "name" in session %}<h1>Hello, {{ session["name"] }}</h1>{% endif %}
<form method="post"><label>Name <input name="name" required></label> <button>Sign in</button></form>
"""


@app.get("/")
async def home() -> str:
    return await render_template_string(PAGE)


@app.post("/")
async def sign_in() -> ResponseReturnValue:
    session.clear()
    session["name"] = (await request.form)["name"]
    return redirect("/")
