"""What a session does to a response: the cookie, `Vary`, and an error in its place."""

from __future__ import annotations

from inspect import isawaitable
from time import monotonic
from typing import Any

from quart import Quart, Response
from quart.sessions import SessionInterface
from werkzeug.wrappers import Response as WerkzeugResponse

from .cookies import Token, max_age
from .policy import Limits, lifetime_end
from .quarts import handle_error
from .request_session import RequestSession


async def answer_error(app: Quart, response: Response | WerkzeugResponse, error: Exception) -> None:
    """Make the response what the application answers to an error; raise what it does not.

    Raising the error here at once would pass by the application's handlers.
    """
    answer = await app.make_response(await handle_error(app, error))
    data = answer.get_data()
    response.status_code = answer.status_code
    response.headers.clear()
    response.headers.extend(answer.headers)
    response.set_data(await data if isawaitable(data) else data)


def vary_by_cookie(response: Response | WerkzeugResponse) -> None:
    """Tell caches that the response is of a session."""
    if "Vary" in response.headers:
        response.vary.add("Cookie")
    else:  # the same, and quicker
        response.headers.add("Vary", "Cookie")


def streams(response: Response | WerkzeugResponse) -> bool:
    """Whether the body is still to be made: it may look at the session, with the headers gone."""
    return isinstance(response, Response) and isinstance(
        response.response, response.iterable_body_class
    )


def cookie_attributes(
    interface: SessionInterface, app: Quart, session: RequestSession
) -> dict[str, Any]:
    """The cookie's attributes, as the application's settings say, or as they are by default."""
    return {
        "domain": interface.get_cookie_domain(app),
        "path": interface.get_cookie_path(app),
        "httponly": interface.get_cookie_httponly(app),
        "samesite": interface.get_cookie_samesite(app) or "Lax",
        "secure": interface.get_cookie_secure(app) or session._secure,
        "partitioned": interface.get_cookie_partitioned(app),
    }


def answer_cookie(
    response: Response | WerkzeugResponse,
    name: str,
    token: Token | None,
    attributes: dict[str, Any],
    session: RequestSession,
    limits: Limits,
) -> None:
    """Give the client its token; take the cookie away where there is none."""
    if token is None:
        response.delete_cookie(name, **attributes)
    else:
        if session._contents.permanent and session._clocks is not None:
            end = lifetime_end(session._clocks, limits)
            left = None if end is None else end - session._clock_offset - monotonic()
            attributes = {**attributes, "max_age": max_age(left)}
        response.set_cookie(name, token, **attributes)
    response.headers["Cache-Control"] = "no-store"
