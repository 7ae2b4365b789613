"""The names of keys and channels, and which keys a script can have together. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1

from ..base import HASH_TAG_LENGTH, MOST_DRAFTS

#: The hash tags: what a session's id can begin with.
HASH_TAGS = tuple(f"{number:02x}" for number in range(256))

_INDEX = b":due"
_UNTOLD = b":untold"
_TAKEN = b":taken"
_MOVED = b":moved"
_IDENTITY = b":identity"


class Keys:
    """The names that an application's sessions have.

    Args:
        prefix: its namespace in Redis.
        worker: what this worker calls itself.
    """

    def __init__(self, prefix: str, worker: str) -> None:
        self._prefix = prefix
        #: The channel on which every worker is told what happens to sessions.
        self.telling = f"{prefix}:told"
        #: The channel on which this worker hears itself.
        self.heartbeat = f"{prefix}:beat:{worker}"
        #: Whose turn it is to sweep.
        self.turn = f"{prefix}:turn".encode()
        #: Whose turn it is to tell ends.
        self.telling_turn = f"{prefix}:turn:untold".encode()
        #: Which applications have started, and when.
        self.applications = f"{prefix}:applications".encode()

        # Open pages of all workers, on one node of a cluster.
        pages = f"{prefix}:pages:{{pages}}:"
        #: Their keys, but for those of single workers; and what these begin with.
        self.attendance = [
            (pages + name).encode() for name in ("leases", "sessions", "users", "gone", "pages")
        ]
        self.boards = f"{pages}of:".encode()

        #: What the keys of users' lists begin with.
        self.user_lists = f"{prefix}:user:{{".encode()
        #: What those of sessions begin with.
        self.sessions = f"{prefix}:{{".encode()
        #: What those of indexes end with, and those of outboxes.
        self.index_end = _INDEX
        self.untold_end, self.taken_end = _UNTOLD, _TAKEN

    def session(self, id: str) -> bytes:
        return self._placed(id)

    def index(self, id: str) -> bytes:
        """When to look at which session of an id's hash tag."""
        return self._placed(id[:HASH_TAG_LENGTH]) + _INDEX

    def outbox(self, id: str) -> tuple[bytes, bytes]:
        """The ends that are to be told of an id's hash tag, and when each may be taken."""
        place = self._placed(id[:HASH_TAG_LENGTH])
        return place + _UNTOLD, place + _TAKEN

    def moved(self, id: str) -> bytes:
        """The marks of what was taken in from another store of an id's hash tag."""
        return self._placed(id[:HASH_TAG_LENGTH]) + _MOVED

    def identity(self, tag: str) -> bytes:
        """What tells what has this hash tag from that of other stores, once it was moved."""
        return self._placed(tag) + _IDENTITY

    def user_list(self, user_id: str) -> tuple[bytes, bytes]:
        """Where a user's sessions are listed, and those that are about to join (`scripts.lua`)."""
        # (Redis's scripts can make this one hash. No list is trusted to be of one user alone.)
        name = sha1(user_id.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        key = self.user_lists + name.encode() + b"}"
        return key, key + b":joining"

    def places(self, box: str) -> list[bytes]:
        """The places for drafts that a box has."""
        start = self._placed(box, ":draft:")
        return [start + f":{number}".encode() for number in range(MOST_DRAFTS)]

    def _placed(self, name: str, what: str = "") -> bytes:
        """A key whose hash tag is what an id or a box's name begins with."""
        tag, rest = name[:HASH_TAG_LENGTH], name[HASH_TAG_LENGTH:]
        return f"{self._prefix}:{{{tag}}}{what}{rest}".encode("utf-8", "surrogatepass")


def sessions_of(index: bytes, rests: Iterable[bytes]) -> list[bytes]:
    """The keys of sessions that an index names by what follows their hash tag."""
    start = index.removesuffix(_INDEX)
    return [start + rest for rest in rests]


def together(keys: Iterable[bytes]) -> Iterable[list[bytes]]:
    """On one server a script can have any keys."""
    return [found] if (found := list(keys)) else []


def by_hash_tag(keys: Iterable[bytes]) -> Iterable[list[bytes]]:
    """On a cluster, those of one hash tag."""
    groups: dict[bytes, list[bytes]] = {}
    for key in keys:
        groups.setdefault(key.partition(b"}")[0], []).append(key)
    return groups.values()
