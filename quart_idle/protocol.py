"""What a page and the server say to each other: pure, no I/O.

Text frames, one JSON object each. Times are milliseconds left, never wall-clock times, so a page's
clock is of no account.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from .exceptions import FrameError
from .policy import Left

#: The longest frame that a page may send, in bytes.
MAX_FRAME: Final = 512

#: The routes below the URL prefix and their methods; beside them there is the client itself.
ROUTES: Final = {
    "/state": ("GET", "HEAD"),
    "/extend": ("POST",),
    "/presence": ("POST",),
    "/drafts": ("GET", "HEAD", "POST", "DELETE"),
    "/sessions": ("GET", "HEAD", "DELETE"),
    "/sessions/<id>": ("DELETE",),
}

#: The reason of a 401 that tells of no end: the user is to prove once more who they are.
STALE: Final = "stale"

#: The session is over; the reason says why. Terminal.
ENDED: Final = 4401
#: The token has changed: reconnect with the new cookie.
TOKEN_CHANGED: Final = 4409
#: The server wants the page to go and come back later (RFC 6455, section 7.4.1).
GOING_AWAY: Final = 1001
#: A frame that breaks the protocol, or too many of them.
POLICY_VIOLATION: Final = 1008
#: A frame longer than `MAX_FRAME`.
TOO_LONG: Final = 1009
#: Try again later (IANA WebSocket close code registry): the store is down, or the session has too
#: many pages open.
TRY_AGAIN: Final = 1013

# What a close frame can carry beside its code: RFC 6455, section 5.5.
_MAX_REASON = 123
# The largest whole number that every JSON implementation holds exactly.
_MAX_MS = 2**53


class Pong(NamedTuple):
    """An answer to a ping: a page is there."""

    #: Seconds since the last user input.
    idle: float
    #: Whether the page is seen. No setting asks for it, but each client is to say it, and rightly.
    visible: bool


class Extend(NamedTuple):
    """Stay signed in."""


class Ask(NamedTuple):
    """What is left? Renews nothing."""


Frame = Pong | Extend | Ask


def _no_constant(name: str) -> float:
    raise FrameError(POLICY_VIOLATION, f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode


def parse(text: str | bytes | None) -> Frame:
    """What a page said.

    Raises:
        FrameError: with the close code for it: 1009 for more than `MAX_FRAME` bytes, 1008 for
            whatever else is not a frame of this protocol.
    """
    # Four bytes are the most that UTF-8 takes for a character: most frames need no second look.
    if text and len(text) * 4 > MAX_FRAME:
        size = len(text.encode("utf-8", "surrogatepass")) if isinstance(text, str) else len(text)
        if size > MAX_FRAME:
            raise FrameError(TOO_LONG, f"a frame of {size} bytes; at most {MAX_FRAME} are allowed")
    if not isinstance(text, str):
        raise FrameError(POLICY_VIOLATION, "a frame that is not text")
    try:
        frame, end = _decode(stripped := text.strip(" \t\r\n"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, FrameError):
            raise
        raise FrameError(POLICY_VIOLATION, "a frame that is not JSON") from None
    if end != len(stripped):
        raise FrameError(POLICY_VIOLATION, "a frame that is not JSON")
    if not isinstance(frame, dict):
        raise FrameError(POLICY_VIOLATION, "a frame that is not a JSON object")
    kind = frame.get("type")
    if kind == "pong":
        return _pong(frame)
    if kind == "extend":
        return Extend()
    if kind == "ask":
        return Ask()
    raise FrameError(POLICY_VIOLATION, "a frame of unknown type")


def _pong(frame: dict[str, Any]) -> Pong:
    idle, visible = frame.get("idle"), frame.get("visible")
    if not isinstance(idle, int | float) or isinstance(idle, bool) or not 0 <= idle <= _MAX_MS:
        raise FrameError(POLICY_VIOLATION, 'a pong whose "idle" is not a number of milliseconds')
    if not isinstance(visible, bool):
        raise FrameError(POLICY_VIOLATION, 'a pong whose "visible" is not true or false')
    return Pong(idle / 1000, visible)


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, never less than none."""
    return max(0, round(seconds * 1000))


def times(left: Left) -> dict[str, int | None]:
    """As frames and routes tell it: ``{"left": ms, "total": ms or null}``."""
    total = None if left.total is None else milliseconds(left.total)
    return {"left": milliseconds(left.deadline), "total": total}


def state(left: Left, warning: float, keepalive: str, retry: float) -> str:
    """The ``state`` frame; all times in seconds."""
    return json.dumps(
        {
            "type": "state",
            **times(left),
            "warning": milliseconds(warning),
            "keepalive": keepalive,
            "retry": milliseconds(retry),
        }
    )


def ping(left: float, retry: float) -> str:
    """The ``ping`` frame; times in seconds."""
    return f'{{"type": "ping", "left": {milliseconds(left)}, "retry": {milliseconds(retry)}}}'


def warn(left: Left) -> str:
    """The ``warn`` frame."""
    return json.dumps(
        {"type": "warn", "left": milliseconds(left.deadline), "extendable": left.extendable}
    )


def close_reason(reason: str) -> str:
    """The reason, cut to what a close frame can carry."""
    return reason.encode("utf-8", "replace")[:_MAX_REASON].decode("utf-8", "ignore")
