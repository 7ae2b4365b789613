"""The extension's routes over HTTP: what a page asks when its socket is blocked, and the client.

They are answered in front of Quart's own handling, as the socket is: an application's log-in wall
or CSRF check is no reason to lose a session.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from hashlib import sha256, sha384
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from . import protocol
from .config import Settings
from .exceptions import FrameError, StoreUnavailable
from .policy import Activity
from .presence import STAY, Presence, from_own_page, header, is_another_s
from .session import named_in
from .stores.base import Ended, Live, Record

_CLIENT: Final = (Path(__file__).parent / "static" / "quart-idle.js").read_bytes()
_VERSION: Final = sha256(_CLIENT).hexdigest()[:12]

# How long a page may take to send a body that fits into one packet, in seconds.
_BODY_TIMEOUT: Final = 10.0

#: Where the client is, below the URL prefix.
CLIENT: Final = f"/quart-idle.js?v={_VERSION}"

#: Its hash for the attribute ``integrity`` (Subresource Integrity, section 3.1).
INTEGRITY: Final = f"sha384-{b64encode(sha384(_CLIENT).digest()).decode()}"


class Routes:
    """What is below the URL prefix, but for the socket.

    Args:
        settings: the application's settings.
        presence: this worker's open pages.
        cookie_name: the session cookie's.
    """

    def __init__(self, settings: Settings, presence: Presence, cookie_name: str) -> None:
        self._settings = settings
        self._presence = presence
        self._cookie_name = cookie_name
        #: The method of each route, by the path below the URL prefix.
        self.methods: Final = {
            "/state": "GET",
            "/extend": "POST",
            "/presence": "POST",
            "/quart-idle.js": "GET",
        }

    async def __call__(
        self, route: str, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a request for one of the routes."""
        method = self.methods[route]
        if scope["method"] != method and (scope["method"], method) != ("HEAD", "GET"):
            allow = "GET, HEAD" if method == "GET" else method
            await _error(send, HTTPStatus.METHOD_NOT_ALLOWED, f"use {allow}", allow=allow)
        elif route == "/quart-idle.js":
            await _client(scope, send)
        elif method == "POST" and not self._is_from_own_page(scope):
            await _error(send, HTTPStatus.FORBIDDEN, "the request is from another origin's page")
        else:
            await self._session(route, scope, receive, send)

    def _is_from_own_page(self, scope: HTTPScope) -> bool:
        if any(name.lower() == b"origin" for name, _ in scope["headers"]):
            return from_own_page(scope, self._settings)
        # A browser's own word, that no page can forge (Fetch Metadata, section 2.3).
        return header(scope, b"sec-fetch-site") == "same-origin"

    async def _session(
        self, route: str, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        activity = STAY if route == "/extend" else None
        if route == "/presence":
            try:
                async with asyncio.timeout(_BODY_TIMEOUT):
                    activity = self._sign(protocol.parse(await _body(receive)))
            except TimeoutError:
                await _error(send, HTTPStatus.REQUEST_TIMEOUT, "the body did not come")
                return
            except FrameError as error:
                too_long = error.code == protocol.TOO_LONG
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_long else HTTPStatus.BAD_REQUEST
                await _error(send, status, error.why)
                return
        id = named_in(scope, self._cookie_name)
        outcome: Live | Record | Ended | None = None
        try:
            if id is not None and (activity is None or scope["query_string"]):
                outcome = await self._presence.look(id)
                if isinstance(outcome, Record) and is_another_s(scope, outcome):
                    outcome = Ended(protocol.SWITCHED, 0.0)
            if id is not None and activity is not None and not isinstance(outcome, Ended):
                outcome = await self._presence.renew(id, activity)
        except StoreUnavailable as error:
            await _error(
                send,
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the session store is not available",
                retry_after=str(error.RETRY_AFTER),
            )
            return
        if id is None or outcome is None:
            await _respond(send, HTTPStatus.UNAUTHORIZED, {"reason": "unknown"})
        elif isinstance(outcome, Ended):
            await _respond(send, HTTPStatus.UNAUTHORIZED, {"reason": outcome.reason})
        else:
            left = self._presence.left(id, outcome)
            await _respond(send, HTTPStatus.OK, protocol.times(left))

    def _sign(self, frame: protocol.Frame) -> Activity:
        if not isinstance(frame, protocol.Pong):
            raise FrameError(protocol.POLICY_VIOLATION, "a frame that is not a pong")
        return self._presence.sign_of(frame)


async def _body(receive: ASGIReceiveCallable) -> str | bytes:
    """The request's body, as far as is needed to see that it is too long."""
    body = b""
    while len(body) <= protocol.MAX_FRAME:
        message = await receive()
        if message["type"] != "http.request":  # the client has left
            break
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


async def _error(send: ASGISendCallable, status: HTTPStatus, error: str, **headers: str) -> None:
    await _respond(send, status, {"error": error}, **headers)


async def _respond(
    send: ASGISendCallable, status: HTTPStatus, body: object, **headers: str
) -> None:
    headers = {"content_type": "application/json", "cache_control": "no-store", **headers}
    await _send(send, status, json.dumps(body).encode(), headers)


async def _client(scope: HTTPScope, send: ASGISendCallable) -> None:
    current = parse_qs(scope["query_string"].decode("latin-1")).get("v") == [_VERSION]
    headers = {
        "content_type": "text/javascript; charset=utf-8",
        # A page of another version's worker gets this version, and does not keep it.
        "cache_control": "public, max-age=31536000, immutable" if current else "no-cache",
        "x_content_type_options": "nosniff",
    }
    await _send(send, HTTPStatus.OK, _CLIENT, headers)


async def _send(
    send: ASGISendCallable, status: HTTPStatus, body: bytes, headers: dict[str, str]
) -> None:
    """Send a response. (To a HEAD request, a server sends no body.)"""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status.value, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})
