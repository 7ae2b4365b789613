"""What can go wrong.

    QuartIdleError
    ├── ConfigError          a setting is wrong; raised by ``init_app``
    ├── FrameError           a page sent what the protocol does not know
    ├── SessionEnded         there is no session (any more) to write to
    ├── SessionTooLarge      the session's data passes ``QUART_IDLE_MAX_SIZE``
    ├── StoreUnavailable     the store did not answer; an HTTP 503
    └── TooManySessions      the user has as many sessions as one may; an HTTP 409

A value that a session cannot hold is Python's own ``TypeError``.
"""

from __future__ import annotations

from werkzeug.exceptions import Conflict, ServiceUnavailable


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
