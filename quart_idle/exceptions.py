"""What can go wrong.

    QuartIdleError
    ├── ConfigError          a setting is wrong; raised by ``init_app``
    ├── FrameError           a page sent what the protocol does not know
    ├── ReauthenticationRequired
    │                        the user is to prove once more who they are; an HTTP 401
    ├── SessionEnded         there is no session (any more) to write to
    ├── SessionTooLarge      the session's data passes ``QUART_IDLE_MAX_SIZE``
    ├── StoreUnavailable     the store did not answer; an HTTP 503
    └── TooManySessions      the user has as many sessions as one may; an HTTP 409

A value that a session cannot hold is Python's own ``TypeError``.
"""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import Conflict, ServiceUnavailable, Unauthorized


class QuartIdleError(Exception):
    """The base of every error that this package raises on purpose."""


class ConfigError(QuartIdleError, ValueError):
    """A setting is wrong. The message names the key, the value and what is allowed."""


class FrameError(QuartIdleError, ValueError):
    """A frame from a page breaks the protocol.

    Args:
        code: the close code that the page is sent away with (1008 or 1009).
        why: what was wrong, without the frame's content.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code
        self.why = why


class ReauthenticationRequired(QuartIdleError, Unauthorized):
    """A view wants a user who has proved lately who they are; nothing of it has been done.

    `QuartIdle.fresh` raises it. It is an HTTP 401 too: the application's own handler for it, or for
    401, answers it.

    Args:
        response: what is answered if that has none.
        back: see the attribute.

    Attributes:
        back: the path and query that was asked for, on this host, to be asked for again; None where
            that would repeat more than a look: it was no GET.
    """

    description = (
        "To do this, you need to confirm that it is you. Nothing has been done yet: "
        "sign in again, and then do it once more."
    )

    def __init__(self, response: Any = None, *, back: str | None = None) -> None:
        super().__init__(response=response)
        self.back = back


class SessionEnded(QuartIdleError):
    """The session ended, or its token changed, before this write could happen.

    What was stored is as it was; the write brings nothing back.
    """


class SessionTooLarge(QuartIdleError):
    """The session's data is larger than ``QUART_IDLE_MAX_SIZE``; what was stored stays."""


class StoreUnavailable(QuartIdleError, ServiceUnavailable):
    """The store is down, or slower than ``QUART_IDLE_STORE_TIMEOUT``.

    It is an HTTP 503 too, so a request that touches its session while the store is away is
    answered by the application's own handler for 503.
    """

    description = "The session store is not available at the moment. Please try again shortly."

    #: Seconds after which a client may try again (RFC 9110, section 10.2.3).
    RETRY_AFTER = 2

    def __init__(self) -> None:
        super().__init__(retry_after=self.RETRY_AFTER)


class TooManySessions(QuartIdleError, Conflict):
    """A user who has ``QUART_IDLE_MAX_SESSIONS`` sessions signs in once more; what is stored stays.

    It is raised by ``session.save()``. It is an HTTP 409 too: a response whose session cannot be
    saved for it is what the application's own handler for 409 answers.
    """

    description = "You are signed in on as many devices as you may be. Sign out on one first."
