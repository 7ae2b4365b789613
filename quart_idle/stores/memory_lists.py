"""Users' lists of sessions, in this process."""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice


class Lists:
    """Ids by user, in the order in which they joined.

    A user has a list only while somebody is in it.
    """

    def __init__(self) -> None:
        # By place; what takes another's place keeps the order, and later ones are behind it.
        self._lists: dict[str, dict[int, str]] = {}
        self._last = 0

    def join(self, user_id: str, id: str) -> int:
        """Put an id at the end of a user's list; its place."""
        self._last += 1
        self._lists.setdefault(user_id, {})[self._last] = id
        return self._last

    def take_place(self, user_id: str, place: int, id: str) -> None:
        """Put an id in another's place."""
        self._lists[user_id][place] = id

    def leave(self, user_id: str, place: int) -> None:
        """Take whoever has a place out of a user's list."""
        listed = self._lists[user_id]
        del listed[place]
        if not listed:
            del self._lists[user_id]

    def behind(self, user_id: str, after: float) -> list[tuple[int, str]]:
        """Places behind a place, and who has them."""
        listed = self._lists.get(user_id, {})
        start = bisect_right(list(listed), after) if after > 0 else 0
        return list(islice(listed.items(), start, None))
