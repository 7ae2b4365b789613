"""Why a session ends: the reasons that mean something here, in one place. Pure.

They are told to the application (``session.ended``), to pages, and to the stores that keep them; an
application can give `Session.end` others, which then mean nothing more than they say.
"""

from __future__ import annotations

from typing import Final, Literal

#: A clock that ends a session, and the reason of such an end: the idle timeout, the lifetime or the
#: closed timeout. `quart_idle.policy` says when.
Clock = Literal["idle", "lifetime", "closed"]
IDLE: Final = "idle"
LIFETIME: Final = "lifetime"
CLOSED: Final = "closed"

#: Ends by time: who is away may come back, and sign in again in place.
BY_TIME: Final[tuple[Clock, ...]] = (IDLE, LIFETIME, CLOSED)

#: The user asked for it, or the session was left with nothing.
SIGNED_OUT: Final = "signed out"

#: It was ended from elsewhere: alone, or with others of its user's.
ENDED_FROM_ELSEWHERE: Final = "ended from elsewhere"
SIGNED_OUT_EVERYWHERE: Final = "signed out everywhere"

#: Its user signed in once more, and may have no more sessions.
LIMIT: Final = "limit"

#: The token was changed: the session goes on under another id.
REGENERATED: Final = "regenerated"

#: Not known (any more). For a page that is as good as an end by time.
UNKNOWN: Final = "unknown"

#: Another user has the session now: what a page of the one before is told. No session ends by it.
SWITCHED: Final = "switched"

REASONS: Final = (
    *BY_TIME,
    SIGNED_OUT,
    SIGNED_OUT_EVERYWHERE,
    ENDED_FROM_ELSEWHERE,
    LIMIT,
    SWITCHED,
    REGENERATED,
    UNKNOWN,
)


def check_reason(reason: object) -> None:
    """See whether it is a reason that an application may give.

    Raises:
        TypeError: it is not a str of one character or more.
        ValueError: it is what a change of token is told by, which is no end.
    """
    if type(reason) is not str or not reason:
        raise TypeError(f"the reason is {reason!r}; allowed: a str that is not empty")
    if reason == REGENERATED:
        raise ValueError(f"no session ends by {reason!r}: that is said of a change of its token")


def text_name(reason: str) -> str:
    """The name of the text that the client says of an end."""
    return f"by {reason}"


def is_text_name(name: str) -> bool:
    """Whether a text is what is said of an end, also for a reason of the application's own."""
    return name.startswith(text_name(""))
