"""Requests for static files, which need no session.

Quart opens a session before it routes, and for each request: nothing tells it that a file is asked
for. Without this each file of a page would be a trip to the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from itertools import chain
from typing import Any, Final, TypeVar, cast

from quart import Blueprint, Quart
from quart.wrappers import BaseRequestWebsocket
from werkzeug.exceptions import HTTPException

# Quart's own views for files: an application's, which may look at the session, are not among them.
_VIEWS: Final = (Quart.send_static_file, Blueprint.send_static_file)

# The attribute by which a hook says that it looks at no session of its own accord.
_SESSIONLESS: Final = "quart_idle_sessionless"

_View = Callable[..., Awaitable[Any]]
_Hook = TypeVar("_Hook", bound=Callable[..., Any])


def sessionless(hook: _Hook) -> _Hook:
    """Mark a hook, as of `after_request`, that needs no session where nobody has looked at one."""
    setattr(hook, _SESSIONLESS, True)
    return hook


class StaticFiles:
    """An application's static files. Made when all its routes are there: with the first request.

    Args:
        app: the application.
        failed: called in a request for a file that is answered by an error, as where there is no
            such file: the page that tells so may look at the session.
    """

    def __init__(self, app: Quart, failed: Callable[[], Awaitable[None]]) -> None:
        self._app = app
        self._failed = failed
        views = {
            endpoint: view
            for endpoint, view in app.view_functions.items()
            if getattr(view, "__func__", None) in _VIEWS
        }
        #: Of these views, none is activity.
        self.endpoints = frozenset(views)
        self._starts = tuple(
            rule.rule.partition("<")[0]
            for rule in app.url_map.iter_rules()
            if rule.endpoint in views
        )
        for endpoint, view in views.items():
            app.view_functions[endpoint] = self._watched(view)

    def include(self, request: BaseRequestWebsocket) -> bool:
        """Whether this is for a file, and nothing of the application looks on.

        When a session is opened, the request is not routed yet.
        """
        app = self._app
        if not request.path.startswith(self._starts) or any(
            not getattr(hook, _SESSIONLESS, False)
            for hooks in (
                app.url_value_preprocessors,
                app.before_request_funcs,
                app.after_request_funcs,
                app.teardown_request_funcs,
            )
            for hook in chain.from_iterable(cast(Any, hooks).values())
        ):
            return False
        adapter = app.create_url_adapter(request)
        try:
            return adapter is not None and adapter.match()[0] in self.endpoints
        except HTTPException:
            return False

    def _watched(self, view: Callable[..., Any]) -> _View:
        @wraps(view)
        async def watched(**arguments: Any) -> Any:
            try:
                return await view(**arguments)
            except Exception:
                await self._failed()
                raise

        return watched
