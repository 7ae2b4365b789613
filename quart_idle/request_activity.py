"""Which requests are activity: signs that somebody is there."""

from __future__ import annotations

from typing import Final

from quart import Quart
from quart.wrappers import BaseRequestWebsocket

from .files import StaticFiles

#: The attribute by which a view says that its requests are not activity.
PASSIVE: Final = "quart_idle_passive"

# Where a browser says why it asks, and Turbo, which cannot set the browser's own headers.
_PURPOSES: Final = frozenset((b"sec-purpose", b"purpose", b"x-sec-purpose"))


def is_activity(app: Quart, request: BaseRequestWebsocket, files: StaticFiles | None) -> bool:
    """Whether it is for a view that is not passive, and no static file's, and may be seen.

    Args:
        app: the application.
        request: the request, routed.
        files: the application's static files.
    """
    endpoint = request.endpoint or ""
    view = app.view_functions.get(endpoint)
    return (
        view is not None
        and (files is None or endpoint not in files.endpoints)
        and not getattr(view, PASSIVE, False)
        and not _is_fetched_ahead(request)
    )


def _is_fetched_ahead(request: BaseRequestWebsocket) -> bool:
    """Whether it may never be seen: browsers fetch ahead on hovering over a link, or unasked.

    (Werkzeug's headers take three times as long: every request comes by here.)
    """
    for name, value in request.scope["headers"]:
        if name.lower() in _PURPOSES and b"prefetch" in value.lower():
            return True
    return False
