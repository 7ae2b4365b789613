"""The route of drafts: what is typed is data, so it is a view of the application's, with hooks."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import quart
from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from . import protocol
from .bodies import DRAIN_TIMEOUT, MOST_DRAINED
from .config import Settings
from .interface import PASSIVE
from .origins import cors_headers, may_change, user_mismatch
from .presence import Presence
from .quarts import current
from .reasons import UNKNOWN
from .session import Session
from .stores.asking import ask
from .stores.base import Record, reason_of

if TYPE_CHECKING:
    from .drafts import Drafts

#: The endpoint, by which an application's hooks know it.
ENDPOINT: Final = "quart_idle_drafts"

# The largest body that brings a draft, in bytes; how long it may take to come, in seconds.
_MAX_DRAFT: Final = 65_536
_DRAFT_TIMEOUT: Final = 30.0

_decode = json.JSONDecoder().decode

_Answer = tuple[HTTPStatus, object]


def add_draft_view(app: Quart, settings: Settings, drafts: Drafts, presence: Presence) -> None:
    """Give an application the route by which pages keep, list and forget drafts."""
    view = _DraftView(settings, drafts, presence)

    async def quart_idle_drafts(**_: str) -> Response:
        return await view()

    setattr(quart_idle_drafts, PASSIVE, True)
    # On each host that the application answers to, as the other routes.
    hosts: list[dict[str, str]] = [{"host": "<host>"}] if app.url_map.host_matching else [{}]
    if app.subdomain_matching:
        hosts.append({"subdomain": "<subdomain>"})
    for host in hosts:
        app.add_url_rule(
            f"{settings.url_prefix}/drafts",
            ENDPOINT,
            quart_idle_drafts,
            methods=list(protocol.ROUTES["/drafts"]),
            provide_automatic_options=False,
            **host,
        )


class _DraftView:
    def __init__(self, settings: Settings, drafts: Drafts, presence: Presence) -> None:
        self._settings = settings
        self._drafts = drafts
        self._presence = presence

    async def __call__(self) -> Response:
        status, content = await self._answer()
        response = Response(b"" if content is None else json.dumps(content), status.value)
        headers = {"quart_idle": "1", "cache_control": "no-store"}
        headers |= cors_headers(request.scope, self._settings)
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        if content is None:
            del response.headers["Content-Type"], response.headers["Content-Length"]
        else:
            response.headers["Content-Type"] = "application/json"
        return response

    async def _answer(self) -> _Answer:
        refusal = self._refusal()
        if refusal is not None:
            with suppress(HTTPException):
                await _body(MOST_DRAINED, DRAIN_TIMEOUT, keep=0)
            return refusal
        user_id = _session().user_id or ""
        if request.method == "POST":
            return await self._keep(user_id)
        page, form = (request.args.get(name) for name in ("page", "form"))
        if request.method != "DELETE":
            found = await self._ask(self._drafts.of(user_id, page))
            drafts = [
                {**draft._asdict(), "age": protocol.milliseconds(age)} for draft, age in found
            ]
            return HTTPStatus.OK, {"drafts": drafts}
        if page is None or form is None:
            return HTTPStatus.BAD_REQUEST, {"error": "which page and form is missing"}
        await self._ask(self._drafts.drop(user_id, page, form))
        return HTTPStatus.NO_CONTENT, None

    def _refusal(self) -> _Answer | None:
        """Why this request neither reads nor changes anything; None if it may."""
        changes = request.method in ("POST", "DELETE")
        if changes and not may_change(request.scope, self._settings):
            error = "the request is from another origin's page"
            return HTTPStatus.FORBIDDEN, {"error": error}
        session = _session()
        # (The id is looked at first: where the store is down, it is that which is told.)
        if session.id is None or not session._is_live():
            return HTTPStatus.UNAUTHORIZED, {"reason": session.ended or UNKNOWN}
        return self._user_refusal(session.user_id)

    def _user_refusal(self, user_id: str | None) -> _Answer | None:
        """Why the session's user has no drafts for this page; None if they may."""
        if (reason := user_mismatch(request.scope, user_id, self._settings)) is not None:
            return HTTPStatus.UNAUTHORIZED, {"reason": reason}
        if user_id is None:
            return HTTPStatus.FORBIDDEN, {"error": "the session is no user's"}
        return None

    async def _keep(self, user_id: str) -> _Answer:
        # Filled when the event loop gets its turn: then the body was not there all at once.
        waited: list[bool] = []
        turn = asyncio.get_running_loop().call_soon(waited.append, True)
        body = await _body(MOST_DRAINED, _DRAFT_TIMEOUT, keep=_MAX_DRAFT + 1)
        turn.cancel()
        if body is None:
            return HTTPStatus.REQUEST_TIMEOUT, {"error": "the body did not come"}
        if waited:
            # It took its time: the session may be over by now, or another user's.
            found = await self._presence.stored.load_session(_session().id or "")
            if not isinstance(found, Record):
                return HTTPStatus.UNAUTHORIZED, {"reason": reason_of(found)}
            if (refusal := self._user_refusal(found.user_id)) is not None:
                return refusal
            user_id = found.user_id or ""
        if len(body) > _MAX_DRAFT:
            error = f"a draft of more than {_MAX_DRAFT} bytes"
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": error}
        draft = _parse_draft(body)
        if draft is None:
            error = 'a draft is {"form": name, "page": path, "fields": [[name, value], ...]}'
            return HTTPStatus.BAD_REQUEST, {"error": error}
        await self._ask(self._drafts.keep(user_id, *draft))
        return HTTPStatus.NO_CONTENT, None

    async def _ask(self, call: Any) -> Any:
        return await ask(call, self._settings.patience)


def _session() -> Session:
    session = current(quart.session)
    if not isinstance(session, Session):
        raise RuntimeError("the application's session_interface is not QuartIdle's any more")  # noqa: TRY004
    return session


async def _body(most: int, timeout: float, keep: int) -> bytes | None:
    """The first ``keep`` bytes of the body; None if it does not come in time.

    It is read to its end, unless that is far away: who is cut off while they send see no answer.
    """
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.body:
                body += chunk[: keep - len(body)]
                size += len(chunk)
                if size > most:
                    break
            if not size:  # or a hook has read it
                body += (await request.body)[:keep]
    except TimeoutError:
        return None
    return bytes(body)


def _parse_draft(body: bytes) -> tuple[str, str, list[list[str]]] | None:
    """The page, the form and the fields of a draft, which came as a body."""
    try:
        draft = _decode(body.decode())
    except (ValueError, RecursionError):
        return None
    match draft:
        case {"page": str(page), "form": str(form), "fields": list(fields)} if all(
            isinstance(field, list) and [*map(type, field)] == [str, str] for field in fields
        ):
            return page, form, fields
    return None
