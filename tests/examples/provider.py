"""An OAuth 2 provider for the tests: one user, who agrees at once, and signed in an hour ago."""

from __future__ import annotations

import json
import secrets
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from quart import Quart, abort, redirect, request

app = Quart(__name__)

USER = "248289761001"

_codes: dict[str, tuple[str, dict[str, Any]]] = {}
_signed_in_at = int(time.time()) - 3600
_tokens: set[str] = set()


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@app.get("/")
async def index() -> str:
    return "ready"


@app.get("/authorize")
async def authorize() -> Any:
    asked = request.args
    if asked["code_challenge_method"] != "S256" or asked["client_id"] != "site":
        abort(400)
    global _signed_in_at
    if asked.get("prompt") == "login":
        _signed_in_at = int(time.time())
    claims: dict[str, Any] = {"sub": USER, "aud": "site"}
    if "max_age" in asked:
        claims["auth_time"] = _signed_in_at
    code = secrets.token_urlsafe()
    _codes[code] = asked["code_challenge"], claims
    return redirect(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")


@app.post("/token")
async def token() -> Any:
    sent = await request.form
    digest = sha256(sent["code_verifier"].encode()).digest()
    challenge, claims = _codes.pop(sent["code"], ("", {}))
    if challenge != base64url(digest):
        abort(400)
    _tokens.add(token := secrets.token_urlsafe())
    id_token = ".".join(base64url(part) for part in (b"{}", json.dumps(claims).encode(), b""))
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 3600,
        "id_token": id_token,
    }


@app.get("/userinfo")
async def userinfo() -> Any:
    if request.headers.get("Authorization", "").removeprefix("Bearer ") not in _tokens:
        abort(401)
    return {"sub": USER, "name": "Ada Lovelace"}
