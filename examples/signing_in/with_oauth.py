"""Signing in with an OAuth 2 provider, by Authlib.

Set SITE_PROVIDER, SITE_CLIENT_ID and SITE_CLIENT_SECRET, and run
``hypercorn examples.signing_in.with_oauth:app``.
"""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from authlib.common.security import generate_token
from authlib.integrations.httpx_client import AsyncOAuth2Client
from quart import Quart, abort, redirect, render_template_string, request, session, url_for
from quart.typing import ResponseReturnValue

from quart_idle import QuartIdle

app = Quart(__name__)
app.config.update(PROVIDER="https://id.example", CLIENT_ID="site")
app.config.from_prefixed_env("SITE")
QuartIdle(app)

LEEWAY = 30  # seconds, by which the provider's clock may be behind

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
{% if session.user_id %}
<h1>Hello {{ session["name"] }}</h1>
<form method="post" action="{{ url_for('sign_out') }}"><button>Sign out</button></form>
{% else %}
<a href="{{ url_for('sign_in') }}">Sign in</a>
{% endif %}
"""


def new_client(state: str | None = None) -> AsyncOAuth2Client:
    return AsyncOAuth2Client(
        app.config["CLIENT_ID"],
        app.config.get("CLIENT_SECRET"),
        scope="openid profile",
        redirect_uri=url_for("welcome", _external=True),
        code_challenge_method="S256",
        state=state,
    )


@app.get("/")
async def home() -> str:
    return await render_template_string(PAGE)


@app.get("/sign-in")
async def sign_in() -> ResponseReturnValue:
    verifier = generate_token(48)
    # Who is signed in here proves it again there, too, and the provider tells when.
    again = {"prompt": "login", "max_age": "0"} if session.user_id else {}
    async with new_client() as client:
        url, state = client.create_authorization_url(
            f"{app.config['PROVIDER']}/authorize",
            code_verifier=verifier,
            **again,
        )
    session["oauth"] = {
        "state": state,
        "verifier": verifier,
        "login": time.time() if again else None,  # when it was asked for
    }
    return redirect(url)


def signed_in_since(asked: float | None, token: Mapping[str, Any], user: str) -> bool:
    """Whether the provider had its user sign in since that was asked for: its ID token says.

    What the browser was sent with proves nothing: whoever sits at it can change that. (The token
    is the provider's own answer, by TLS: no signature has to be checked. OpenID Connect Core,
    3.1.3.7.)
    """
    if asked is None or "id_token" not in token:
        return False
    said = json.loads(urlsafe_b64decode(token["id_token"].split(".")[1] + "=="))
    client = app.config["CLIENT_ID"]
    is_theirs = said["sub"] == user and said["aud"] in (client, [client])
    return is_theirs and said.get("auth_time", 0) >= asked - LEEWAY


@app.get("/welcome")
async def welcome() -> ResponseReturnValue:
    begun = session.pop("oauth", None)
    if begun is None or request.args.get("state") != begun["state"]:
        abort(400)
    async with new_client(begun["state"]) as client:
        token = await client.fetch_token(
            f"{app.config['PROVIDER']}/token",
            authorization_response=request.url,
            code_verifier=begun["verifier"],
        )
        profile = (await client.get(f"{app.config['PROVIDER']}/userinfo")).json()
    if session.user_id == profile["sub"]:
        if signed_in_since(begun["login"], token, profile["sub"]):
            session.authenticated()  # proved it once more
    else:
        session.clear()  # nothing of whoever was there before
        session.user_id = profile["sub"]  # signs in
        session["name"] = profile["name"]
    return redirect(url_for("home"))


@app.post("/sign-out")
async def sign_out() -> ResponseReturnValue:
    session.end()
    return redirect(url_for("home"))
