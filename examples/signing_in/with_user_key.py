"""An application that keeps its user in ``session["user_id"]``, and stays as it is.

Run ``hypercorn examples.signing_in.with_user_key:app``.
"""

from quart import Quart, redirect, render_template_string, request, session, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

app = Quart(__name__)
QuartIdle(app, user_key="user_id")

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
{% if "user_id" in session %}
<h1>Hello, user {{ session["user_id"] }}</h1>
<form method="post" action="{{ url_for('sign_out') }}"><button>Sign out</button></form>
{% else %}
<form method="post">
  <label>Number <input name="number" type="number"></label> <button>Sign in</button>
</form>
{% endif %}
"""


@app.route("/", methods=["GET", "POST"])
async def home() -> ResponseReturnValue:
    if request.method == "POST":
        number = int((await request.form)["number"])
        if session.get("user_id") == number:
            session.authenticated()  # a proof, which the same user set again is not
        session["user_id"] = number
        return redirect(url_for("home"))
    return await render_template_string(PAGE)


@app.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.clear()
    return redirect(url_for("home"))
