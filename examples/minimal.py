from quart import Quart, redirect, render_template_string, request, session, url_for

from quart_idle import QuartIdle

app = Quart(__name__)
QuartIdle(app, timeout=15 * 60)

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
<h1>Hello {{ session.user_id or "" }}</h1>
<form method="post"><label>Name <input name="name"></label> <button>Sign in</button></form>
<form method="post" action="/sign-out"><button>Sign out</button></form>
"""


@app.route("/", methods=["GET", "POST"])
async def home():
    if request.method == "POST":
        form = await request.form
        session.clear()  # nothing of whoever was there before
        session.user_id = form["name"][:100] or None  # check a password first
        return redirect(url_for("home"))
    return await render_template_string(PAGE)


@app.post("/sign-out")
async def sign_out():
    session.end()
    return redirect(url_for("home"))
