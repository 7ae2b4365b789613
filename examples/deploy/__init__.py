"""An application that many workers serve, behind nginx.

Run ``hypercorn --config examples/deploy/hypercorn.toml examples.deploy:app``, with Redis on this
host and nginx before it, as nginx.conf says.
"""

from __future__ import annotations

import gc
import logging
import os
from typing import cast

import quart
from hypercorn.middleware import ProxyFixMiddleware
from quart import Quart, redirect, render_template_string, request, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle, Session

session = cast(Session, quart.session)

# What the sessions' times are, and which store, when a worker starts.
logging.basicConfig(level=logging.INFO)

# For thousands of open pages: have Python look for garbage less often.
gc.set_threshold(10_000, 50, 1000)

site = Quart(__name__)
site.config["QUART_IDLE_STORE"] = "redis://127.0.0.1"
# What differs from host to host: SITE_QUART_IDLE_STORE=rediss://… sets QUART_IDLE_STORE.
site.config.from_prefixed_env("SITE")
QuartIdle(site)

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
{% if session.user_id %}
<h1>Hello {{ session.user_id }}</h1>
<form method="post" action="{{ url_for("sign_out") }}"><button>Sign out</button></form>
{% else %}
<form method="post"><label>Name <input name="name"></label> <button>Sign in</button></form>
{% endif %}
<p>To {{ request.remote_addr }}, from worker {{ worker }}
"""


@site.route("/", methods=["GET", "POST"])
async def home() -> ResponseReturnValue:
    if request.method == "POST":
        session.clear()
        session.user_id = (await request.form)["name"][:100] or None
        return redirect(url_for("home"))
    return await render_template_string(PAGE, worker=os.getpid())


@site.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.end()
    return redirect(url_for("home"))


# Scheme, host and address are those that nginx tells in X-Forwarded-…: it sets all three. In mode
# "modern" a Forwarded header goes before them, and nginx passes that on as a client sent it, unless
# it is told not to.
app = ProxyFixMiddleware(site, mode="legacy")
