"""The extension's routes over HTTP: for pages whose socket is blocked, and the client.

They are answered in front of Quart's own handling, as the socket is: an application's log-in wall
or CSRF check is no reason to lose a session. Drafts and lists of sessions are data: views of
the application's.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final, TypeVar
from urllib.parse import parse_qs

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from . import protocol
from .bodies import Body
from .client import CLIENT_METHODS, is_client, serve
from .config import Settings
from .exceptions import FrameError, StoreUnavailable
from .origins import cors_headers, header, may_change, user_mismatch
from .policy import SignOfLife, since_proof
from .presence import ACTIVE_NOW, Presence, sign_of_life
from .stores.base import Ended, Live, Record, UserStore, reason_of

# How long a page may take to send a body that fits into one packet, in seconds.
_BODY_TIMEOUT: Final = 10.0

# How long a browser may remember what it may do, in seconds.
_PREFLIGHT_KEPT: Final = 7200

# Views of the application's answer these.
_ONE_SESSION: Final = "/sessions/<id>"
_DATA: Final = ("/drafts", "/sessions", _ONE_SESSION)

_Answer = tuple[HTTPStatus, object]
# The same with its headers, whose names have underscores here.
_Response = tuple[HTTPStatus, bytes, dict[str, str]]
_Found = TypeVar("_Found")


class _Refused(Exception):
    """What is answered in place of what was asked for."""

    def __init__(self, status: HTTPStatus, **body: str) -> None:
        super().__init__(status)
        self.answer: _Answer = status, body


class Routes:
    """What is below the URL prefix, but for the socket.

    Args:
        settings: the application's settings.
        presence: this worker's open pages.
    """

    def __init__(self, settings: Settings, presence: Presence) -> None:
        self._settings = settings
        self._presence = presence
        self._stored = presence.stored
        # The methods of each route, by the path below the URL prefix.
        self._methods: dict[str, tuple[str, ...]] = {**protocol.ROUTES}
        if settings.drafts is None:
            del self._methods["/drafts"]
        if not isinstance(settings.store, UserStore):
            del self._methods["/sessions"], self._methods[_ONE_SESSION]

    def has(self, route: str, method: str) -> bool:
        """Whether this is answered here.

        Of data, that is only what a browser may do there, as it asks without a cookie.
        """
        route = _rule_of(route)
        return is_client(route) or (
            route in self._methods and (route not in _DATA or method == "OPTIONS")
        )

    async def __call__(
        self, route: str, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a request for one of the routes."""
        body = Body(receive)
        status, content, headers = await self._dispatch(route, scope, body)
        if scope["method"] in ("POST", "DELETE"):
            await body.drain()
        cors = cors_headers(scope, self._settings)
        if vary := ", ".join(filter(None, (headers.get("vary"), cors.get("vary")))):
            cors["vary"] = vary
        await _send(send, status, content, {**headers, **cors})

    async def _dispatch(self, route: str, scope: HTTPScope, body: Body) -> _Response:
        methods = CLIENT_METHODS if is_client(route) else self._methods[_rule_of(route)]
        if scope["method"] == "OPTIONS":
            return self._preflight(scope, methods)
        if scope["method"] not in methods:
            allow = ", ".join(methods)
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, f"use {allow}", allow=allow)
        if is_client(route):
            query = scope["query_string"].decode("latin-1")
            status, content, headers = serve(route, query, header(scope, b"accept-encoding"))
            if scope["http_version"] not in ("1.0", "1.1"):
                headers.pop("connection", None)  # RFC 9113, section 8.2.2
            return status, content, headers
        try:
            return _respond(*await self._answer(route, scope, body))
        except _Refused as refused:
            return _respond(*refused.answer)
        except StoreUnavailable as error:
            return _error(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the session store is not available",
                retry_after=str(error.RETRY_AFTER),
            )

    def _preflight(self, scope: HTTPScope, methods: tuple[str, ...]) -> _Response:
        """What another origin's page may do (Fetch, section 4.8)."""
        allow = ", ".join(methods)
        headers = {"allow": allow}
        if "access_control_allow_origin" in cors_headers(scope, self._settings):
            headers["access_control_allow_methods"] = allow
            headers["access_control_allow_headers"] = "Content-Type"
            headers["access_control_max_age"] = str(_PREFLIGHT_KEPT)
        return _respond(HTTPStatus.NO_CONTENT, None, **headers)

    async def _answer(self, route: str, scope: HTTPScope, body: Body) -> _Answer:
        """First whose page it is, then whose session, and only then what it brings."""
        if scope["method"] in ("POST", "DELETE") and not may_change(scope, self._settings):
            raise _Refused(HTTPStatus.FORBIDDEN, error="the request is from another origin's page")
        id = _or_401(await self._stored.id_in_cookies(scope))
        if route == "/state":
            record = await self._load_own(id, scope)
            return HTTPStatus.OK, self._times(id, record) | self._user_facts(scope, record)
        if scope["query_string"]:
            await self._load_own(id, scope)
        sign = ACTIVE_NOW if route == "/extend" else await self._read_pong(body)
        live = _or_401(await self._presence.renew(id, sign))
        return HTTPStatus.OK, self._times(id, live)

    def _times(self, id: str, live: Live | Record) -> dict[str, object]:
        return {**protocol.times(self._stored.left(id, live))}

    def _user_facts(self, scope: HTTPScope, record: Record) -> dict[str, object]:
        """What the script's tag says of the user, for a page that had none, or another user's."""
        if "tag" not in parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True):
            return {}
        user = None if record.user_id is None else self._settings.user_tags.of(record.user_id)
        proof = record.sign_in and record.sign_in.authenticated
        since = None if proof is None else since_proof(proof, record.now)
        return {
            "user": user,
            "drafts": bool(user and self._settings.drafts),
            "authenticated": None if since is None else round(since * 1000),
        }

    async def _load_own(self, id: str, scope: HTTPScope) -> Record:
        """The session of the user for whom the page was made."""
        record = _or_401(await self._stored.load_session(id))
        if (reason := user_mismatch(scope, record.user_id, self._settings)) is not None:
            raise _Refused(HTTPStatus.UNAUTHORIZED, reason=reason)
        return record

    async def _read_pong(self, body: Body) -> SignOfLife:
        """What a page's answer is worth, which comes as a body."""
        try:
            content = await body.read(protocol.MAX_FRAME, _BODY_TIMEOUT)
        except TimeoutError:
            raise _Refused(HTTPStatus.REQUEST_TIMEOUT, error="the body did not come") from None
        try:
            text: str | bytes = content.decode()
        except UnicodeDecodeError:
            text = content
        try:
            frame = protocol.parse(text)
        except FrameError as error:
            too_long = error.code == protocol.TOO_LONG
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_long else HTTPStatus.BAD_REQUEST
            raise _Refused(status, error=error.why) from None
        if not isinstance(frame, protocol.Pong):
            raise _Refused(HTTPStatus.BAD_REQUEST, error="a frame that is not a pong")
        return sign_of_life(frame, self._settings.keepalive)


def _rule_of(route: str) -> str:
    """The route by which `protocol.ROUTES` knows a path below the prefix."""
    return _ONE_SESSION if route.startswith("/sessions/") else route


def _or_401(outcome: _Found | Ended | None) -> _Found:
    """The session, or its id, that was asked for.

    Raises:
        _Refused: there is none: 401, with the reason for which a page's session is over.
    """
    if outcome is None or isinstance(outcome, Ended):
        reason = reason_of(outcome)
        raise _Refused(HTTPStatus.UNAUTHORIZED, reason=reason)
    return outcome


def _error(status: HTTPStatus, error: str, **headers: str) -> _Response:
    return _respond(status, {"error": error}, **headers)


def _respond(status: HTTPStatus, body: object, **headers: str) -> _Response:
    headers = {"cache_control": "no-store", **headers}
    if body is None:
        return status, b"", headers
    return status, json.dumps(body).encode(), {**headers, "content_type": "application/json"}


async def _send(
    send: ASGISendCallable, status: HTTPStatus, body: bytes, headers: dict[str, str]
) -> None:
    """Send a response. (To a HEAD request, a server sends no body.)"""
    # By this a page knows our word from that of whatever answers in our place on the way.
    headers = {"quart_idle": "1", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if status is not HTTPStatus.NO_CONTENT:  # RFC 9110, section 8.6
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status.value, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})
