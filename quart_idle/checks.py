"""Mistakes that take a promise away, which can be seen: told once, with the remedy."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from quart import Quart
from quart.sessions import SecureCookieSessionInterface, SessionInterface
from quart.wrappers import BaseRequestWebsocket
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import MapAdapter, RequestRedirect

from .config import DEFAULT_KEY_PREFIX, Settings
from .stores.asking import ask
from .stores.base import SharedStore

# What Quart has where an application says nothing.
_UNSET: Final = timedelta(days=31)

_log = logging.getLogger("quart_idle")


def check_place(app: Quart) -> None:
    """Tell of a session interface that the application had, when ours takes its place."""
    theirs = app.session_interface
    if type(theirs) is not SecureCookieSessionInterface:
        _log.warning(
            "QuartIdle takes the place of the session interface %s: the application's sessions are "
            "QuartIdle's from here on; remove the other one",
            _name(theirs),
        )


def check_start(
    app: Quart, settings: Settings, interface: SessionInterface, answering: tuple[object, object]
) -> None:
    """Tell what can be seen of an application that is about to serve.

    Args:
        app: the application.
        settings: its settings.
        interface: what its sessions should come from.
        answering: what its `asgi_http_class` and `asgi_websocket_class` should be.
    """
    if app.session_interface is not interface:
        _log.error(
            "the session interface is %s, which was put in the place of QuartIdle's: no session "
            "is kept by it; remove the other one, or call QuartIdle(app) after it",
            _name(app.session_interface),
        )
    for name, ours in zip(("asgi_http_class", "asgi_websocket_class"), answering, strict=True):
        theirs = getattr(app, name)
        if theirs is not ours:
            _log.warning(
                "app.%s is %s, which was put in the place of QuartIdle's: unless it calls what was "
                "there before, nothing below %s is answered, and open pages keep no session "
                "alive; set it before QuartIdle(app)",
                *(name, _name(theirs), settings.url_prefix),
            )
    name = interface.get_cookie_name(app)
    path, domain = interface.get_cookie_path(app), interface.get_cookie_domain(app)
    if name.startswith("__Host-") and (path != "/" or domain is not None):
        _log.error(
            "browsers refuse the session's cookie: SESSION_COOKIE_NAME is %r, and that takes the "
            "path / and no domain, which are %r (SESSION_COOKIE_PATH, APPLICATION_ROOT) and %r "
            "(SESSION_COOKIE_DOMAIN)",
            *(name, path, domain),
        )
    url = settings.sign_out_url
    urls = app.url_map.bind(app.config["SERVER_NAME"] or "localhost")
    if url and not urlsplit(url).netloc and takes_post(urls, urlsplit(url).path) is False:
        _log.warning(
            "QUART_IDLE_SIGN_OUT_URL is %r, whose view takes no POST, so the prompt goes there by "
            "GET: have it take POST, and sign out by forms, since browsers fetch links ahead, and "
            "other sites may have one to it",
            url,
        )
    _tell_times(app, settings)


def takes_post(urls: MapAdapter, path: str) -> bool | None:
    """Whether the view of an address takes POST; None: the application has no view for it.

    Args:
        urls: the application's, as a host has them.
        path: below where the application is mounted.
    """
    try:
        urls.match(path, "POST")
    except MethodNotAllowed:
        return False
    except RequestRedirect:  # to the same with a slash: what is sent again is the POST
        return True
    except HTTPException:
        return None
    return True


async def check_sharing(app: Quart, settings: Settings) -> None:
    """Tell of another application that keeps its sessions under the same prefix by mistake.

    Applications go by their import names: two that are both called ``app`` look like one. A prefix
    that was chosen may be shared on purpose.

    Raises:
        StoreUnavailable: the store did not answer.
    """
    store, name = settings.store, app.import_name
    if (
        settings.key_prefix != DEFAULT_KEY_PREFIX
        or name == "__main__"  # of any application that is run as a script
        or not isinstance(store, SharedStore)
    ):
        return
    if others := await ask(store.meet(name), settings.patience):
        _log.warning(
            "the application %r keeps its sessions under the key prefix %r, and so does %s: a "
            "session of one is a session of the other, and users who are named alike become one; "
            "set QUART_IDLE_KEY_PREFIX in each (to the same, if they are to share their users)",
            *(name, settings.key_prefix, ", ".join(map(repr, sorted(others)))),
        )


def _tell_times(app: Quart, settings: Settings) -> None:
    limits = settings.limits
    lasts = timedelta(seconds=limits.timeout)
    _log.info(
        "sessions end after %s without activity%s; lifetime: %s; closed timeout: %s; store: %s",
        lasts,
        " (PERMANENT_SESSION_LIFETIME, as Quart has it; QUART_IDLE_TIMEOUT sets another)"
        if lasts == _UNSET == app.config["PERMANENT_SESSION_LIFETIME"]
        else "",
        limits.lifetime and timedelta(seconds=limits.lifetime),
        limits.closed_timeout and timedelta(seconds=limits.closed_timeout),
        type(settings.store).__name__,
    )


def check_path(path: str, settings: Settings, request: BaseRequestWebsocket) -> None:
    """Tell of a cookie that browsers do not send to our routes.

    Which can be seen with a request only: where the application is mounted, the server knows.

    Args:
        path: the cookie's.
        settings: the application's settings.
        request: the request.
    """
    routes = request.root_path.rstrip("/") + settings.url_prefix
    start = path.rstrip("/")
    if routes != start and not routes.startswith(start + "/"):  # RFC 6265, section 5.1.4
        settings.once.warn(
            "path",
            "the session's cookie is for the path %r (SESSION_COOKIE_PATH, APPLICATION_ROOT), and "
            "QuartIdle's routes are below %r (QUART_IDLE_URL_PREFIX): browsers do not send it "
            "there, and open pages keep no session alive; put one below the other",
            *(path, routes),
        )


def check_cookie(name: str, attributes: dict[str, Any], settings: Settings) -> None:
    """Tell of a cookie that browsers refuse, since it is not Secure."""
    if attributes["secure"]:
        return
    samesite = attributes["samesite"]
    if (
        name.startswith(("__Host-", "__Secure-"))
        or str(samesite).lower() == "none"
        or attributes["partitioned"]
    ):
        settings.once.warn(
            "secure",
            "browsers refuse the session's cookie %r with SESSION_COOKIE_SAMESITE %r: it is not "
            "Secure, since the request came over HTTP and SESSION_COOKIE_SECURE is not set. Serve "
            "over HTTPS, and behind a proxy have the server know (X-Forwarded-Proto), or set "
            "SESSION_COOKIE_SECURE to True",
            *(name, samesite),
        )


def check_users(settings: Settings) -> None:
    """Tell what an application misses that has no notion of users."""
    settings.once.warn(
        "users",
        "the client goes into the page of a session without a user, as no session has had "
        "one yet: without users, visitors who never signed in are warned, and nobody can "
        "sign in again in place or keep drafts; set session.user_id where a user signs in, "
        "or QUART_IDLE_USER_KEY to the key of the session that names the user",
    )


def _name(thing: object) -> str:
    kind = thing if isinstance(thing, type) or hasattr(thing, "__qualname__") else type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"
