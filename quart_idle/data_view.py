"""Routes whose answers are data: views of the application's, with its hooks and error handlers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import quart
from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

from .bodies import DRAIN_TIMEOUT, MOST_DRAINED
from .config import Settings
from .origins import cors_headers, may_change, user_mismatch
from .quarts import current
from .reasons import UNKNOWN
from .request_activity import PASSIVE
from .session import Session

#: What is answered; None: nothing.
Answer = tuple[HTTPStatus, object]

# What rules say of the host.
_HOSTS: Final = ("host", "subdomain")


def add_view(
    app: Quart,
    endpoint: str,
    view: Callable[..., Awaitable[Response]],
    rules: Mapping[str, tuple[str, ...]],
) -> None:
    """Give an application routes whose requests are no activity.

    Args:
        app: the application.
        endpoint: by which its hooks know them.
        view: what answers; it is told what the path says.
        rules: the methods of each path.
    """

    async def data_view(**said: str) -> Response:
        return await view(**{name: said[name] for name in said if name not in _HOSTS})

    setattr(data_view, PASSIVE, True)
    # On each host that the application answers to, as the other routes.
    hosts: list[dict[str, str]] = [{"host": "<host>"}] if app.url_map.host_matching else [{}]
    if app.subdomain_matching:
        hosts.append({"subdomain": "<subdomain>"})
    for path, methods in rules.items():
        for host in hosts:
            app.add_url_rule(
                path,
                endpoint,
                data_view,
                methods=list(methods),
                provide_automatic_options=False,
                **host,
            )


def own_session() -> Session:
    """The request's session."""
    session = current(quart.session)
    if not isinstance(session, Session):
        raise RuntimeError("the application's session_interface is not QuartIdle's any more")  # noqa: TRY004
    return session


def refusal(settings: Settings) -> Answer | None:
    """Why a request neither reads nor changes anything of its user's; None if it may."""
    changes = request.method in ("POST", "DELETE")
    if changes and not may_change(request.scope, settings):
        error = "the request is from another origin's page"
        return HTTPStatus.FORBIDDEN, {"error": error}
    session = own_session()
    # (The id is looked at first: where the store is down, it is that which is told.)
    if session.id is None or not session._is_live():
        return HTTPStatus.UNAUTHORIZED, {"reason": session.ended or UNKNOWN}
    return user_refusal(session.user_id, settings)


def user_refusal(user_id: str | None, settings: Settings) -> Answer | None:
    """Why the session's user has nothing for this page; None if they may have."""
    if (reason := user_mismatch(request.scope, user_id, settings)) is not None:
        return HTTPStatus.UNAUTHORIZED, {"reason": reason}
    if user_id is None:
        return HTTPStatus.FORBIDDEN, {"error": "the session is no user's"}
    return None


def respond(status: HTTPStatus, content: object, settings: Settings, **headers: str) -> Response:
    """An answer as it is sent; nothing of it is kept on the way."""
    response = Response(b"" if content is None else json.dumps(content), status.value)
    headers = {"quart_idle": "1", "cache_control": "no-store", **headers}
    headers |= cors_headers(request.scope, settings)
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    if content is None:
        del response.headers["Content-Type"], response.headers["Content-Length"]
    else:
        response.headers["Content-Type"] = "application/json"
    return response


async def read_body(most: int, timeout: float, keep: int) -> bytes | None:
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


async def drain_body() -> None:
    """Read what a refused request sends, and forget it."""
    with suppress(HTTPException):
        await read_body(MOST_DRAINED, DRAIN_TIMEOUT, keep=0)
