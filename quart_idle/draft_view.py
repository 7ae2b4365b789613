"""The route of drafts: what is typed is data, so it is a view of the application's, with hooks."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from quart import Quart, Response, request

from . import protocol
from .bodies import MOST_DRAINED
from .config import Settings
from .data_view import (
    Answer,
    add_view,
    drain_body,
    own_session,
    read_body,
    refusal,
    respond,
    user_refusal,
)
from .presence import Presence
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


def add_draft_view(app: Quart, settings: Settings, drafts: Drafts, presence: Presence) -> None:
    """Give an application the route by which pages keep, list and forget drafts."""
    path = f"{settings.url_prefix}/drafts"
    add_view(
        app,
        ENDPOINT,
        _DraftView(settings, drafts, presence),
        {path: protocol.ROUTES["/drafts"]},
    )


class _DraftView:
    def __init__(self, settings: Settings, drafts: Drafts, presence: Presence) -> None:
        self._settings = settings
        self._drafts = drafts
        self._presence = presence

    async def __call__(self) -> Response:
        return respond(*await self._answer(), self._settings)

    async def _answer(self) -> Answer:
        if (refused := refusal(self._settings)) is not None:
            await drain_body()
            return refused
        user_id = own_session().user_id or ""
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

    async def _keep(self, user_id: str) -> Answer:
        # Filled when the event loop gets its turn: then the body was not there all at once.
        waited: list[bool] = []
        turn = asyncio.get_running_loop().call_soon(waited.append, True)
        body = await read_body(MOST_DRAINED, _DRAFT_TIMEOUT, keep=_MAX_DRAFT + 1)
        turn.cancel()
        if body is None:
            return HTTPStatus.REQUEST_TIMEOUT, {"error": "the body did not come"}
        if waited:
            # It took its time: the session may be over by now, or another user's.
            found = await self._presence.stored.load_session(own_session().id or "")
            if not isinstance(found, Record):
                return HTTPStatus.UNAUTHORIZED, {"reason": reason_of(found)}
            if (refused := user_refusal(found.user_id, self._settings)) is not None:
                return refused
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
