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
GONE_KEPT: Final = 60.0

#: By how much a lease is over when it is found, in seconds, and nobody can have looked before: the
#: store was away, so that no worker could hold its lease.
FOUND_LATE: Final = 10.0

#: For how long nobody is told of as gone then, in seconds: the workers report that they are there.
HELD_BACK: Final = 30.0

#: Who has a lease as long as that is so, like a worker without pages: no worker is called that.
STAND_IN: Final = "nobody"


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


class Report(NamedTuple):
    """What a worker reports of its open pages."""

    #: A name that no other worker ever had: of digits and letters.
    worker: str
    #: 1 for its first report, and one more for each further one.
    number: int
    #: Sessions whose pages changed, by their ids, as they are now; `MOST_REPORTED` at most.
    changes: Mapping[str, OpenPages]
    #: For how long its pages count from now on, in seconds.
    lease: float
    #: For how long a user is online after their last page is gone, in seconds.
    grace: float
    #: Whether the worker wants to know who came online by this, and tells of users who went
    #: offline; each is told to one.
    tells: bool = False


class Reported(NamedTuple):
    """What came of a report."""

    #: Users who came online by it, and when, by the store's clock.
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
