"""What the log is told: once, or as often as it helps, however often it happens.

(`logging` has no limit for that, and `warnings` tells once in a process, whichever application.)
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from time import monotonic
from typing import Final

# How many things are told once, each. What tells them apart may come from a client.
_MOST_WARNINGS: Final = 100

# How long a text from elsewhere is in the log, in characters.
_MOST_LOGGED: Final = 100

# How often a log is told of what goes on, in seconds.
_EVERY: Final = 60.0

_log = logging.getLogger("quart_idle")
_events = logging.getLogger("quart_idle.events")


class Once:
    """Warns of each thing once, and of a hundred at most that clients can name.

    What we name is a str; what clients name is a tuple.
    """

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: set[Hashable] = set()

    def warn(self, what: Hashable, text: str, *arguments: object) -> None:
        """Warn, unless this was told before."""
        is_ours = isinstance(what, str)
        if what not in self._told and (is_ours or len(self._told) < _MOST_WARNINGS):
            self._told.add(what)
            _log.warning(text, *arguments)


class Outage:
    """Tells of a store's failures: when it goes, once a minute, and when it is back.

    Args:
        what: what fails, the store or something that it does.

    Attributes:
        calls_failed: how many did since the last that was answered.
    """

    __slots__ = ("_since", "_told", "_what", "calls_failed")

    def __init__(self, what: str = "the store") -> None:
        self._what = what
        self._since: float | None = None
        self._told = float("-inf")
        self.calls_failed = 0

    def failed(self, why: object, error: Exception | None = None) -> None:
        """A call failed.

        Args:
            why: what the log is told.
            error: what is to be told with its traceback.
        """
        now = monotonic()
        self.calls_failed += 1
        if now - self._told < _EVERY:  # so too where a part of the store comes and goes
            return
        if self._since is None:
            self._since = now
            _log.error("%s is not available: %s", self._what, why, exc_info=error)
        else:
            _log.error(
                "%s has not been available for %.0f s, and %d calls failed: %s",
                *(self._what, now - self._since, self.calls_failed, why),
                exc_info=error,
            )
        self._told = now

    def answered(self) -> None:
        """A call was answered."""
        if self._since is not None:
            _log.warning(
                "%s is available again, after %.0f s; %d calls failed",
                *(self._what, monotonic() - self._since, self.calls_failed),
            )
            self._since = None
        self.calls_failed = 0


def log_event(event: str, *about: str | None) -> None:
    """Tell of an event in the words of OWASP's Logging Vocabulary.

    Args:
        event: its name there.
        *about: the user (None: nobody, or not known), and what else is said of it.
    """
    if logs_events():
        _events.info("%s:%s", event, ",".join(map(_logged, about)))


def logs_events() -> bool:
    """Whether the log is told of events."""
    return _events.isEnabledFor(logging.INFO)


def _logged(text: str | None) -> str:
    """A text that whoever made it cannot use to forge a line, a field or nobody."""
    if text is None:
        return "-"
    if text == "-":
        return r"\x2d"
    return repr(text[:_MOST_LOGGED])[1:-1].replace(",", r"\x2c")
