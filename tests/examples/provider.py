"""An OAuth 2 provider for the tests: one user, who agrees at once."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from quart import Quart, abort, redirect, request

app = Quart(__name__)

_challenges: dict[str, str] = {}
_tokens: set[str] = set()


@app.get("/")
async def index() -> str:
    return "ready"


@app.get("/authorize")
async def authorize() -> Any:
    asked = request.args
    if asked["code_challenge_method"] != "S256" or asked["client_id"] != "site":
        abort(400)
    code = secrets.token_urlsafe()
    _challenges[code] = asked["code_challenge"]
    return redirect(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")


@app.post("/token")
async def token() -> Any:
    sent = await request.form
    digest = sha256(sent["code_verifier"].encode()).digest()
    if _challenges.pop(sent["code"], "") != urlsafe_b64encode(digest).decode().rstrip("="):
        abort(400)
    _tokens.add(token := secrets.token_urlsafe())
    return {"access_token": token, "token_type": "Bearer", "expires_in": 3600}


@app.get("/userinfo")
async def userinfo() -> Any:
    if request.headers.get("Authorization", "").removeprefix("Bearer ") not in _tokens:
        abort(401)
    return {"sub": "248289761001", "name": "Ada Lovelace"}
