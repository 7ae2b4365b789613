"""Whose page a request comes from, and which other origins' pages may read the answer."""

from __future__ import annotations

from hypercorn.typing import WWWScope

from .config import Settings, origin


def header(scope: WWWScope, name: bytes) -> str | None:
    """A request's header; None where it is missing, or there more than once."""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


def from_own_page(scope: WWWScope, settings: Settings) -> bool:
    """Whether a request's ``Origin`` is its own or an allowed one, compared whole."""
    theirs = origin(header(scope, b"origin") or "")
    secure = scope["scheme"] in ("https", "wss")
    own = origin(f"{'https' if secure else 'http'}://{header(scope, b'host') or ''}")
    return theirs is not None and (theirs == own or theirs in settings.allowed_origins)


def may_change(scope: WWWScope, settings: Settings) -> bool:
    """Whether a request that changes something is from an own page, or one of an allowed origin."""
    if any(name.lower() == b"origin" for name, _ in scope["headers"]):
        return from_own_page(scope, settings)
    # A browser's own word, that no page can forge (Fetch Metadata, section 2.3).
    return header(scope, b"sec-fetch-site") == "same-origin"


def sharing(scope: WWWScope, settings: Settings) -> dict[str, str]:
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
        "access_control_expose_headers": "Quart-Idle, Retry-After",
    }
