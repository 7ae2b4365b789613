"""Whose page a request comes from, and which other origins' pages may read the answer."""

from __future__ import annotations

from urllib.parse import parse_qs

from hypercorn.typing import WWWScope

from .config import Settings
from .config_values import origin
from .reasons import SWITCHED, UNKNOWN


def header(scope: WWWScope, name: bytes) -> str | None:
    """A request's header; None where it is missing, or there more than once."""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


def from_own_page(scope: WWWScope, settings: Settings) -> bool:
    """Whether a request's ``Origin`` is its own or an allowed one, compared whole."""
    declared = header(scope, b"origin") or ""
    theirs = origin(declared)
    secure = scope["scheme"] in ("https", "wss")
    address = f"{'https' if secure else 'http'}://{header(scope, b'host') or ''}"
    if theirs is not None and (theirs == origin(address) or theirs in settings.allowed_origins):
        return True
    if declared:
        pair = declared[:200], address[:200]
        settings.once.warn(
            pair,
            "a page of the origin %r was refused, since the application's own is %r here. If that "
            "page is yours, add its origin to QUART_IDLE_ALLOWED_ORIGINS; if they are one and the "
            "same behind a proxy, have it tell host and scheme, and hypercorn's or Werkzeug's "
            "middleware for proxies take its word",
            *pair,
        )
    return False


def may_change(scope: WWWScope, settings: Settings) -> bool:
    """Whether a request that changes something is from an own page, or one of an allowed origin."""
    if any(name.lower() == b"origin" for name, _ in scope["headers"]):
        return from_own_page(scope, settings)
    # A browser's own word, that no page can forge (Fetch Metadata, section 2.3).
    return header(scope, b"sec-fetch-site") == "same-origin"


def cors_headers(scope: WWWScope, settings: Settings) -> dict[str, str]:
    """The headers by which a page of an allowed origin may read the answer (Fetch, section 3.3).

    Names are with underscores, as keywords are.
    """
    if not settings.allowed_origins:
        return {}
    theirs = header(scope, b"origin")
    if theirs is None or origin(theirs) not in settings.allowed_origins:
        return {"vary": "Origin"}
    return {
        "vary": "Origin",
        "access_control_allow_origin": theirs,
        "access_control_allow_credentials": "true",
        "access_control_expose_headers": "Quart-Idle, Retry-After, Link",
    }


def user_mismatch(scope: WWWScope, user_id: str | None, settings: Settings) -> str | None:
    """The reason by which a page's session is over though another is alive; None: it is not.

    So it is where ``?user=`` tells that the page was made for another user than has the session.

    Args:
        scope: the page's request.
        user_id: whose the session is that its cookie names.
        settings: the application's.
    """
    tag = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("user")
    if tag is None or (user_id is not None and settings.user_tags.fits(tag[0], user_id)):
        return None
    # Nobody is not somebody else: who is about to sign in again may have a session for that.
    return UNKNOWN if user_id is None else SWITCHED
