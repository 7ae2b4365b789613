"""Views that want a user who has proved lately who they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit

import quart
from markupsafe import Markup, escape
from quart import Response, current_app, has_request_context, request

from .config_values import seconds
from .exceptions import ReauthenticationRequired
from .interface import QuartIdleSessionInterface
from .protocol import STALE
from .quarts import current
from .session import Session

# What can be asked for again.
_SAFE: Final = ("GET", "HEAD")

_HEADERS: Final = {"Quart-Idle": "1", "Cache-Control": "no-store"}

# RFC 3986, sections 3.3 and 3.4.
_IN_PATHS: Final = "/~!$&'()*+,;=:@"
_IN_QUERIES: Final = _IN_PATHS + "?%"

_View = TypeVar("_View", bound=Callable[..., Any])


def require_proof(view: _View, within: float) -> _View:
    """A view that is called for users only who have proved who they are.

    Args:
        view: the view.
        within: for how long that is to be enough, in seconds.
    """

    @wraps(view)
    async def fresh(*args: Any, **kwargs: Any) -> Any:
        session = current(quart.session)
        if type(session) is not Session:
            raise RuntimeError(
                "a view with @idle.fresh is of an application whose sessions are not QuartIdle's"
            )
        if not session._is_fresh(within):
            raise _required()
        return await current_app.ensure_async(view)(*args, **kwargs)

    return cast("_View", fresh)


def duration(within: object) -> float:
    """A duration in seconds.

    Raises:
        ValueError: it is none.
    """
    found = seconds(within)
    if found is None:
        raise ValueError(
            f"fresh(within) is {within!r}; "
            "allowed: a timedelta or seconds, more than 0 and at most a century"
        )
    return found


def _required() -> ReauthenticationRequired:
    """The error, with what is answered to this request if the application does not answer it."""
    if not has_request_context():  # a socket, which is refused
        return ReauthenticationRequired(_told())
    back = _address() if request.method in _SAFE else None
    if request.accept_mimetypes.best_match(("application/json", "text/html")) != "text/html":
        return ReauthenticationRequired(_told(), back=back)
    url = cast("QuartIdleSessionInterface", current_app.session_interface).sign_in_url
    if url is None or back is None:
        return ReauthenticationRequired(_page(url), back=back)
    # Another origin, as an identity provider's, has no use for our address.
    parts = urlsplit(url)
    if not parts.netloc:
        query = "&".join(filter(None, (parts.query, urlencode({"next": back}))))
        url = parts._replace(query=query).geturl()
    answer = Response(status=HTTPStatus.SEE_OTHER, headers={"Location": url, **_HEADERS})
    return ReauthenticationRequired(answer, back=back)


def _address() -> str:
    """Where to come back to, on this host: two slashes, or a backslash, would begin another's."""
    path = quote((request.root_path + request.path).lstrip("/\\"), safe=_IN_PATHS)
    query = quote(request.query_string, safe=_IN_QUERIES)
    return f"/{path}?{query}" if query else f"/{path}"


def _told() -> Response:
    """What a script is told, as the routes tell it of a session that is over."""
    body = json.dumps({"reason": STALE})
    headers = {"Content-Type": "application/json", **_HEADERS}
    return Response(body, HTTPStatus.UNAUTHORIZED, headers)


def _page(url: str | None) -> Response:
    """What is seen where nothing better is known: of a form that was sent, to be sent again."""
    link = Markup('<p><a href="{}">Sign in</a>').format(url) if url else ""
    text = escape(ReauthenticationRequired.description)
    body = f"<!doctype html>\n<html lang=en>\n<title>Sign in again</title>\n<p>{text}\n{link}\n"
    return Response(body, HTTPStatus.UNAUTHORIZED, _HEADERS, "text/html")
