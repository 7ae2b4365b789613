from quart import Quart, render_template_string, request, session

from quart_idle import QuartIdle

app = Quart(__name__)
QuartIdle(app, timeout=15 * 60)

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
<h1>Hello {{ session.user_id or "" }}</h1>
<form method="post"><label>Name <input name="name"></label> <button>Sign in</button></form>
"""


@app.route("/", methods=["GET", "POST"])
async def home() -> str:
    if request.method == "POST":
        session.clear()
        session.user_id = (await request.form)["name"][:100] or None
    return await render_template_string(PAGE)
