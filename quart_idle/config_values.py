"""What a single setting may be: from what is configured to what the package works with.

A check gives None for what is not allowed. What settings ask of each other is in `config`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Generic, Literal, NamedTuple, TypeVar

from .stores.base import PERMANENT

Keepalive = Literal["presence", "activity"]
Policy = Literal["end oldest", "refuse"]
Origin = tuple[str, str, int]

_T = TypeVar("_T")

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ORIGIN: Final = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_URL: Final = re.compile(r"(/|https?://)[^\s]*", re.IGNORECASE)
_URL_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_KEY_PREFIX: Final = re.compile(r"[A-Za-z0-9._:-]+")
# A century: what is longer is a mistake, and more than dates and timers can express.
_LONGEST: Final = 36_525 * 86_400.0


class Check(NamedTuple, Generic[_T]):
    """What a setting may be."""

    #: The value, as the package works with it; None: it is not allowed.
    value: Callable[[object], _T | None]
    #: What an error says is allowed.
    allowed: str


def seconds(value: object) -> float | None:
    """A duration in seconds; None for what is not one of more than 0 and at most a century."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= _LONGEST else None


def origin(text: str) -> Origin | None:
    """Scheme, host and port of an origin (RFC 6454, section 6.2); None for whatever else."""
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    return scheme, host, int(port or _DEFAULT_PORTS[scheme])


def _origins(value: object) -> frozenset[Origin] | None:
    if not isinstance(value, list | tuple | set | frozenset):
        return None
    found = [origin(text) if isinstance(text, str) else None for text in value]
    return None if None in found else frozenset(item for item in found if item)


def _session_key(value: object) -> str | None:
    return value if isinstance(value, str) and value not in ("", PERMANENT) else None


def _site_name(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _size(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _policy(value: object) -> Policy | None:
    policies: tuple[Policy, ...] = ("end oldest", "refuse")
    return next((policy for policy in policies if policy == value), None)


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _keepalive(value: object) -> Keepalive | None:
    modes: tuple[Keepalive, ...] = ("presence", "activity")
    return next((mode for mode in modes if mode == value), None)


def _like(pattern: re.Pattern[str]) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and pattern.fullmatch(value) else None


DURATION: Final = Check(seconds, "a timedelta or seconds, more than 0 and at most a century")
KEEPALIVE: Final[Check[Keepalive]] = Check(_keepalive, '"presence" or "activity"')
URL_PREFIX: Final = Check(_like(_URL_PREFIX), "a path such as /_idle, without a / at its end")
URL: Final = Check(_like(_URL), "a URL that starts with /, http:// or https://, or None")
SESSION_KEY: Final = Check(_session_key, "a key of the session, such as user_id, or None")
SITE_NAME: Final = Check(_site_name, "a text that is not blank, or None")
FLAG: Final = Check(_flag, "True or False")
ORIGINS: Final = Check(_origins, "a list or tuple of origins such as https://example.com")
SIZE: Final = Check(_size, "a number of bytes, more than 0")
SESSIONS: Final = Check(_size, "a number of sessions, 1 or more, or None")
POLICY: Final[Check[Policy]] = Check(_policy, '"end oldest" or "refuse"')
KEY_PREFIX: Final = Check(_like(_KEY_PREFIX), "letters, digits and . _ : -")
