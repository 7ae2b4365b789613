"""The extension's routes over HTTP: for pages whose socket is blocked, drafts, and the client.

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
from typing import Final, TypeVar
from urllib.parse import parse_qs

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from . import protocol
from .config import Settings
from .exceptions import FrameError, StoreUnavailable
from .policy import Activity
from .presence import STAY, Presence, from_own_page, header, is_another_s
from .stores.base import Ended, Live, Record, ask

_CLIENT: Final = (Path(__file__).parent / "static" / "quart-idle.js").read_bytes()
_VERSION: Final = sha256(_CLIENT).hexdigest()[:12]

# How long a page may take to send a body that fits into one packet, and a draft, in seconds.
_BODY_TIMEOUT: Final = 10.0
_DRAFT_TIMEOUT: Final = 30.0

# The largest body that brings a draft, in bytes.
_MAX_DRAFT: Final = 65_536

_decode = json.JSONDecoder().decode

_Answer = tuple[HTTPStatus, object]
_Alive = TypeVar("_Alive")

#: Where the client is, below the URL prefix.
CLIENT: Final = f"/quart-idle.js?v={_VERSION}"

#: Its hash for the attribute ``integrity`` (Subresource Integrity, section 3.1).
INTEGRITY: Final = f"sha384-{b64encode(sha384(_CLIENT).digest()).decode()}"


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
        #: The methods of each route, by the path below the URL prefix.
        self.methods: Final[dict[str, tuple[str, ...]]] = {
            "/state": ("GET", "HEAD"),
            "/extend": ("POST",),
            "/presence": ("POST",),
            "/quart-idle.js": ("GET", "HEAD"),
        }
        if settings.drafts is not None:
            self.methods["/drafts"] = ("GET", "HEAD", "POST", "DELETE")

    async def __call__(
        self, route: str, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Answer a request for one of the routes."""
        if scope["method"] not in self.methods[route]:
            allow = ", ".join(self.methods[route])
            await _error(send, HTTPStatus.METHOD_NOT_ALLOWED, f"use {allow}", allow=allow)
            return
        if route == "/quart-idle.js":
            await _client(scope, send)
            return
        try:
            answer = await self._answer(route, scope, receive)
        except _Refused as refused:
            answer = refused.answer
        except StoreUnavailable as error:
            await _error(
                send,
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the session store is not available",
                retry_after=str(error.RETRY_AFTER),
            )
            return
        await _respond(send, *answer)

    async def _answer(self, route: str, scope: HTTPScope, receive: ASGIReceiveCallable) -> _Answer:
        if scope["method"] in ("POST", "DELETE") and not self._is_from_own_page(scope):
            raise _Refused(HTTPStatus.FORBIDDEN, error="the request is from another origin's page")
        if route == "/drafts":
            return await self._draft(scope, receive)
        activity = STAY if route == "/extend" else None
        if route == "/presence":
            activity = self._sign(await _body(receive, protocol.MAX_FRAME, _BODY_TIMEOUT))
        id = await self._id(scope)
        live: Live | Record
        if activity is None or scope["query_string"]:
            live = await self._own(id, scope)
        if activity is not None:
            live = _alive(await self._presence.renew(id, activity))
        return HTTPStatus.OK, protocol.times(self._presence.left(id, live))

    async def _own(self, id: str, scope: HTTPScope) -> Record:
        """The session of the user for whom the page was made."""
        record = _alive(await self._presence.look(id))
        if is_another_s(scope, record):
            raise _Refused(HTTPStatus.UNAUTHORIZED, reason=protocol.SWITCHED)
        return record

    def _is_from_own_page(self, scope: HTTPScope) -> bool:
        if any(name.lower() == b"origin" for name, _ in scope["headers"]):
            return from_own_page(scope, self._settings)
        # A browser's own word, that no page can forge (Fetch Metadata, section 2.3).
        return header(scope, b"sec-fetch-site") == "same-origin"

    async def _id(self, scope: HTTPScope) -> str:
        return _alive(await self._presence.named(scope))

    def _sign(self, body: bytes) -> Activity:
        """What a page's answer is worth, which came as a body."""
        try:
            text: str | bytes = body.decode()
        except UnicodeDecodeError:
            text = body
        try:
            frame = protocol.parse(text)
        except FrameError as error:
            too_long = error.code == protocol.TOO_LONG
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_long else HTTPStatus.BAD_REQUEST
            raise _Refused(status, error=error.why) from None
        if not isinstance(frame, protocol.Pong):
            raise _Refused(HTTPStatus.BAD_REQUEST, error="a frame that is not a pong")
        return self._presence.sign_of(frame)

    # Drafts.

    async def _draft(self, scope: HTTPScope, receive: ASGIReceiveCallable) -> _Answer:
        """Keep, list or forget drafts. Nothing of it is activity."""
        drafts, patience = self._settings.drafts, self._settings.patience
        assert drafts is not None  # noqa: S101  (or there is no such route)
        typed = None
        if scope["method"] == "POST":
            typed = _typed(await _body(receive, _MAX_DRAFT, _DRAFT_TIMEOUT))
        # After the body, which takes its time: the session may be over by then.
        user_id = (await self._own(await self._id(scope), scope)).user_id
        if user_id is None:
            raise _Refused(HTTPStatus.FORBIDDEN, error="the session is no user's")
        if typed is not None:
            await ask(drafts.keep(user_id, *typed), patience)
            return HTTPStatus.NO_CONTENT, None
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        page, form = (query[name][0] if name in query else None for name in ("page", "form"))
        if scope["method"] != "DELETE":
            found = await ask(drafts.of(user_id, page), patience)
            told = [{**draft._asdict(), "age": protocol.milliseconds(age)} for draft, age in found]
            return HTTPStatus.OK, {"drafts": told}
        if page is None or form is None:
            raise _Refused(HTTPStatus.BAD_REQUEST, error="which page and form is missing")
        await ask(drafts.drop(user_id, page, form), patience)
        return HTTPStatus.NO_CONTENT, None


def _alive(outcome: _Alive | Ended | None) -> _Alive:
    """A session, or its id, that is one."""
    if outcome is None or isinstance(outcome, Ended):
        reason = "unknown" if outcome is None else outcome.reason
        raise _Refused(HTTPStatus.UNAUTHORIZED, reason=reason)
    return outcome


def _typed(body: bytes) -> tuple[str, str, list[list[str]]]:
    """The page, the form and the fields of a draft, which came as a body."""
    if len(body) > _MAX_DRAFT:
        error = f"a draft of more than {_MAX_DRAFT} bytes"
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error=error)
    try:
        draft = _decode(body.decode())
    except (ValueError, RecursionError):
        draft = None
    match draft:
        case {"page": str(page), "form": str(form), "fields": list(fields)} if all(
            isinstance(field, list) and [*map(type, field)] == [str, str] for field in fields
        ):
            return page, form, fields
    error = 'a draft is {"form": name, "page": path, "fields": [[name, value], ...]}'
    raise _Refused(HTTPStatus.BAD_REQUEST, error=error)


async def _body(receive: ASGIReceiveCallable, most: int, timeout: float) -> bytes:
    """The request's body, as far as is needed to see that it is too long."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            while (message := await receive())["type"] == "http.request":  # or the client has left
                # To the end, in any case: a client that is cut off while it sends sees no answer.
                if len(body) <= most:
                    body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise _Refused(HTTPStatus.REQUEST_TIMEOUT, error="the body did not come") from None
    return bytes(body)


async def _error(send: ASGISendCallable, status: HTTPStatus, error: str, **headers: str) -> None:
    await _respond(send, status, {"error": error}, **headers)


async def _respond(
    send: ASGISendCallable, status: HTTPStatus, body: object, **headers: str
) -> None:
    headers = {"cache_control": "no-store", **headers}
    if body is None:
        await _send(send, status, b"", headers)
    else:
        headers["content_type"] = "application/json"
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
    # By this a page knows our word from that of whatever answers in our place on the way.
    headers = {"quart_idle": "1", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    if status is not HTTPStatus.NO_CONTENT:  # RFC 9110, section 8.6
        raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status.value, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})
