"""The routes of a user's sessions: for a page of their devices. A view of the application's."""

from __future__ import annotations

import asyncio
import hashlib
import re
from http import HTTPStatus
from typing import Final

from quart import Quart, Response, request

from . import protocol
from .config import Settings
from .data_view import Answer, add_view, drain_body, own_session, refusal, respond
from .exceptions import SessionEnded
from .reasons import ENDED_FROM_ELSEWHERE, UNKNOWN
from .sessions import SessionInfo, Sessions, is_id

#: The endpoint, by which an application's hooks know them.
ENDPOINT: Final = "quart_idle_sessions"

# How many sessions an answer has at most: of more, the next are told by its `Link`.
_MOST: Final = 200

_LIMIT: Final = re.compile(r"0*[1-9][0-9]{0,3}")
_PLACE: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,16})?")


def add_session_view(app: Quart, settings: Settings, sessions: Sessions) -> None:
    """Give an application the routes by which a user's page lists and ends their sessions."""
    rules = {
        f"{settings.url_prefix}/sessions": protocol.ROUTES["/sessions"],
        # (Whatever is no id is answered as one that nobody has.)
        f"{settings.url_prefix}/sessions/<path:id>": protocol.ROUTES["/sessions/<id>"],
    }
    add_view(app, ENDPOINT, _SessionView(settings, sessions), rules)


class _SessionView:
    def __init__(self, settings: Settings, sessions: Sessions) -> None:
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, id: str | None = None) -> Response:
        if (refused := refusal(self._settings)) is not None:
            await drain_body()
            return respond(*refused, self._settings)
        user_id = own_session().user_id or ""
        if id is not None:
            return respond(*await self._end(user_id, id), self._settings)
        if request.method == "DELETE":
            return respond(*await self._end_others(), self._settings)
        return await self._list(user_id)

    async def _list(self, user_id: str) -> Response:
        """The user's sessions: one's own first, then the latest activity."""
        after, limit = request.args.get("after", "0"), request.args.get("limit", str(_MOST))
        many = int(limit) if _LIMIT.fullmatch(limit) else 0
        if not 1 <= many <= _MOST or not _PLACE.fullmatch(after):
            error = f"limit is a number from 1 to {_MOST}, and after is from an answer's Link"
            return respond(HTTPStatus.BAD_REQUEST, {"error": error}, self._settings)
        found = await self._sessions.part(user_id, float(after), many + 1)
        headers = {}
        if len(found) > many:
            found.pop()
            # Relative to the list's own address, whatever stands in front of it.
            query = f"?limit={many}&after={found[-1]._place!r}"
            headers["link"] = f'<{query}>; rel="next"'
        own = own_session().id
        found.sort(key=lambda info: (info.id == own, info.active_at), reverse=True)
        # In a thread: what is not known yet takes its time to be found out.
        content = await asyncio.to_thread(lambda: [_told(info, own) for info in found])
        return respond(HTTPStatus.OK, content, self._settings, **headers)

    async def _end(self, user_id: str, id: str) -> Answer:
        """End a session of the user's.

        An id that is nobody's takes the same trips as another user's.
        """
        own = own_session()
        if id != own.id:
            if not is_id(id):
                id = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
            ended = await self._sessions._end(id, ENDED_FROM_ELSEWHERE, user_id)
            if ended is None:
                return HTTPStatus.NOT_FOUND, {"error": "you have no such session"}
            if ended == own.id:
                own._is_ended(ENDED_FROM_ELSEWHERE)
        else:
            own.end()
        return HTTPStatus.NO_CONTENT, None

    async def _end_others(self) -> Answer:
        if "others" not in request.args:
            error = "which is missing: /sessions/<id>, or /sessions?others"
            return HTTPStatus.BAD_REQUEST, {"error": error}
        own = own_session()
        try:
            return HTTPStatus.OK, {"ended": await own.end_others()}
        except SessionEnded:
            await own.reload()
            return HTTPStatus.UNAUTHORIZED, {"reason": own.ended or UNKNOWN}


def _told(info: SessionInfo, own: str | None) -> dict[str, object]:
    """What a page is told of a session."""
    moments = {
        "created_at": info.created_at,
        "authenticated_at": info.authenticated_at,
        "active_at": info.active_at,
        "expires_at": info.expires_at,
    }
    return {
        "id": info.id,
        "current": info.id == own,
        "address": info.address,
        "user_agent": info.user_agent,
        "browser": info.browser,
        "pages": info.pages,
        **{name: moment and moment.isoformat() for name, moment in moments.items()},
    }
