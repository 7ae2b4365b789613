"""The session's cookie: the token in it, and the id by which everything else knows a session."""

from __future__ import annotations

import asyncio
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection
from functools import cache
from hashlib import sha256
from math import ceil
from typing import Final

from hypercorn.typing import WWWScope

from .stores.base import HASH_TAG_LENGTH, Ended, Record

# How many of a request's cookies are tried: each costs a look at the store.
_MOST_COOKIES: Final = 4

# The longest that browsers keep a cookie, in seconds (RFC 6265bis, section 5.6.2).
_LONGEST: Final = 400 * 86_400

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_ESCAPED = re.compile(rb"\\([0-3][0-7]{2}|.)")


class Token(str):
    """The secret in a cookie. Its `repr`, which logs may show, does not tell it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<a session's token>"


def new_token(like: str = "") -> Token:
    """A secret for a cookie: 256 random bits, base64url, 43 characters.

    Args:
        like: an id that the new token's is to begin like, which a store may ask for.
    """
    # At two hexadecimal digits that is one in 256: half a millisecond, at a change of token only.
    while True:
        token = Token(urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode())
        if id_of(token).startswith(like[:HASH_TAG_LENGTH]):
            return token


def id_of(token: str) -> str:
    """The id that stores, logs and lists know a token by."""
    return sha256(token.encode()).hexdigest()


def tokens_in(scope: WWWScope, cookie_name: str) -> dict[str, Token]:
    """The tokens that a request's cookies bring, by id; those that could be one.

    A browser sends several cookies of one name where they have other paths or domains: the closest
    path first, then the oldest.
    """
    # Every request comes by here, and a parser of all cookies takes as long as all of the rest.
    # HTTP/2 may send each cookie in a header of its own: RFC 9113, section 8.2.3.
    pattern = _cookie(cookie_name)
    found: dict[str, Token] = {}
    for key, header in scope["headers"]:
        if key.lower() == b"cookie":
            for value in pattern.findall(header):
                value = value.strip()
                token = (_unquoted(value) if b'"' in value else value).decode("latin-1")
                if _TOKEN.fullmatch(token) and len(found) < _MOST_COOKIES:
                    found[id_of(token)] = Token(token)
    return found


@cache
def _cookie(name: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?:^|;)[ \t]*%b[ \t]*=([^;]*)" % re.escape(name.encode()))


def _unquoted(value: bytes) -> bytes:
    """A cookie's value, of which quotes and what they escape are no part (as Werkzeug has it)."""
    if len(value) < 2 or not value.startswith(b'"') or not value.endswith(b'"'):
        return value
    return _ESCAPED.sub(
        lambda found: found[1] if len(found[1]) == 1 else bytes([int(found[1], 8)]), value[1:-1]
    )


async def first_living(
    ids: Collection[str], load: Callable[[str], Awaitable[Record | Ended | None]]
) -> tuple[str, Record | Ended | None]:
    """Which of the ids that a request's cookies name counts, and what the store says of it.

    That is the first of a living session: a stale twin locks nobody out. Where there is none, it is
    one whose token was changed only now, or else the first of which is known why it is over.

    Args:
        ids: one or more.
        load: asks the store; all are asked at once, for one trip.

    Raises:
        StoreUnavailable: the store did not say which.
    """
    if len(ids) == 1:
        (id,) = ids
        return id, await load(id)
    over: list[tuple[str, Ended | None]] = []
    outcomes = await asyncio.gather(*map(load, ids), return_exceptions=True)
    for id, outcome in zip(ids, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(outcome, Record):
            return id, outcome
        over.append((id, outcome))
    return max(over, key=lambda item: (item[1] is not None and item[1].superseded, bool(item[1])))


def max_age(left: float | None) -> int:
    """The ``Max-Age`` of a cookie that lasts as long as its session can, in seconds.

    Args:
        left: until the session's lifetime is over, in seconds; None: it has none.
    """
    return _LONGEST if left is None else max(1, min(ceil(left), _LONGEST))
