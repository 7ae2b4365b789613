"""In front of the application: what is answered there, and connections that can be bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, WWWScope
from quart import Quart

from .bound import CONNECTION
from .config import Settings
from .presence import Presence
from .routes import Routes

_Connection = Callable[[ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]


def stand_in_front(
    app: Quart,
    settings: Settings,
    presence: Presence,
    routes: Routes,
    binds: Callable[[], bool],
) -> tuple[object, object]:
    """Answer below the URL prefix, in front of the application and behind its ASGI middleware.

    Args:
        binds: whether the application's own connections can be bound to sessions.

    Returns:
        What answers, by `asgi_http_class` and `asgi_websocket_class`.
    """
    http_class, websocket_class = app.asgi_http_class, app.asgi_websocket_class

    def route_of(scope: WWWScope) -> str:
        start = scope.get("root_path", "") + settings.url_prefix
        return scope["path"][len(start) :] if scope["path"].startswith(start) else ""

    def http(app: Quart, scope: Any) -> _Connection:
        route = route_of(scope)
        if route and routes.has(route, scope["method"]):
            return partial(routes, route, scope)
        if not binds():
            return http_class(app, scope)
        request = scope[CONNECTION] = presence.app_request(http_class(app, scope), scope)
        return request

    def websocket(app: Quart, scope: Any) -> _Connection:
        if route_of(scope) == "/presence":
            return partial(presence.socket, scope)
        if not binds():
            return websocket_class(app, scope)
        socket = scope[CONNECTION] = presence.app_socket(websocket_class(app, scope), scope)
        return socket

    app.asgi_http_class = http  # type: ignore[assignment]
    app.asgi_websocket_class = websocket  # type: ignore[assignment]
    return http, websocket
