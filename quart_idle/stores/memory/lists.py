"""Users' lists of sessions, in this process."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

# How many places that nobody has any more a list keeps at most, beside as many as are taken.
_MOST_EMPTY: Final = 64


class _List:
    """Ids by place. What takes another's place keeps the order, and later ones are behind it."""

    def __init__(self) -> None:
        self.ids: dict[int, str] = {}
        # In order, with some that nobody has any more: each is dropped once, with many others.
        self.places: list[int] = []


class Lists:
    """Ids by user, in the order in which they joined.

    A user has a list only while somebody is in it.

    Attributes:
        last: the place of whoever joined last, in any list.
    """

    def __init__(self) -> None:
        self._lists: dict[str, _List] = {}
        self.last = 0

    def join(self, user_id: str, id: str) -> int:
        """Put an id at the end of a user's list; its place."""
        self.last += 1
        listed = self._lists.setdefault(user_id, _List())
        listed.ids[self.last] = id
        listed.places.append(self.last)
        return self.last

    def take_place(self, user_id: str, place: int, id: str) -> None:
        """Put an id in another's place."""
        self._lists[user_id].ids[place] = id

    def leave(self, user_id: str, place: int) -> None:
        """Take whoever has a place out of a user's list."""
        listed = self._lists[user_id]
        del listed.ids[place]
        if not listed.ids:
            del self._lists[user_id]
        elif len(listed.places) > 2 * len(listed.ids) + _MOST_EMPTY:
            listed.places = [place for place in listed.places if place in listed.ids]

    def behind(self, user_id: str, after: float, limit: int) -> list[tuple[int, str]]:
        """Places behind a place, in order, and who has them; so many at most."""
        listed = self._lists.get(user_id)
        found: list[tuple[int, str]] = []
        if listed is not None:
            for at in range(bisect_right(listed.places, after), len(listed.places)):
                if len(found) == limit:
                    break
                place = listed.places[at]
                if (id := listed.ids.get(place)) is not None:
                    found.append((place, id))
        return found
