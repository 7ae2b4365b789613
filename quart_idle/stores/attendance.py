"""What stores are told, and tell, of pages that are open on all workers."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final, NamedTuple

#: How many sessions a report is about, at most; and users and sessions a question.
MOST_REPORTED: Final = 500

#: How many sessions of workers that are gone a store takes off in one call, at most.
MOST_TAKEN_OFF: Final = 500

#: How many users are told of in the answer to one report, at most.
MOST_TOLD: Final = 500

#: For how long a user is kept who is to be told of, and nobody does, in seconds.
UNTOLD_KEPT: Final = 60.0

#: By how much a lease is over when it is found, in seconds, and nobody can have looked before: the
#: store was away, so that no worker could hold its lease.
FOUND_LATE: Final = 10.0

#: For how long nobody is told of as gone then, in seconds: the workers report that they are there.
HELD_BACK: Final = 30.0

#: Who has a lease as long as that is so, like a worker without pages.
NOBODY: Final = "nobody"


class Times(NamedTuple):
    """How long what counts, in seconds."""

    #: A worker's pages, after its last report.
    lease: float = 30.0
    #: How often it reports, where nothing changes.
    renewal: float = 10.0
    #: A user is online for so long after their last page is gone.
    grace: float = 45.0


class OpenPages(NamedTuple):
    """A session's open pages on one worker."""

    #: Whose session it is; None: nobody's.
    user_id: str | None
    pages: int


class Reported(NamedTuple):
    """What came of a report."""

    #: Users who came online by it: by whom, and when, by the store's clock.
    online: Mapping[str, float] = {}
    #: Users whose grace is over, of whom nobody else is told; and when their last page was gone.
    offline: Mapping[str, float] = {}
    #: In how many seconds a report is due, as a lease is over then, or (for one who tells) a grace.
    due: float = inf


class Counts(NamedTuple):
    """How many there are on all workers."""

    #: Users who are online: with a page open, or who had one within the grace.
    users: int
    #: Sessions that have a page open.
    sessions: int
    #: Pages that are open.
    pages: int
