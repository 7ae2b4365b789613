"""Sessions in Redis: shared by any number of workers on any number of hosts.

A session is a hash, a field a key, under ``prefix:{ab}cdef…``: the id, whose first two characters
are its hash tag, so that on a cluster a session stays on its node when its token changes. Beside
its data a hash has fields whose names no text can have (`packing`).

``prefix:{ab}:due`` is a sorted set, the index of a hash tag: when to look at which session, never
later than its deadline unless that moved closer. Renewals leave it alone. What is due is looked at
by whichever worker gets the sweep, and is ended, or moved on to its deadline.

A box has a fixed number of places for drafts, ``prefix:{ab}:draft:cdef…:0`` and so on: hashes with
a name, a moment and a draft each, which Redis itself throws away when their time is over.

Each write is one script on one slot; it looks at Redis's own clock, does nothing to a session that
is over, and nothing when it comes too late, because whoever wanted it has been told that it failed.
"""

from .moving import RedisMovable
from .store import RedisStore

__all__ = ["RedisMovable", "RedisStore"]
