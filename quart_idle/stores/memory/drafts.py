"""Drafts in this process."""

from __future__ import annotations

from collections.abc import Mapping

from ..agenda import Agenda
from ..base import DRAFT_KEPT, MOST_DRAFTS


class Boxes:
    """Drafts in boxes, as `DraftStore` has them; what is old is forgotten when it is looked at.

    Args:
        agenda: when to look at which box.
    """

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        # Drafts and their moments by box and name, a box's oldest first.
        self._boxes: dict[str, dict[str, tuple[bytes, float]]] = {}

    def look(self, box: str, now: float) -> None:
        """Forget a box's old drafts, and the oldest of too many; note when to look again."""
        if (drafts := self._boxes.get(box)) is None:
            return
        while drafts:
            name, (_, at) = next(iter(drafts.items()))
            if now - at < DRAFT_KEPT and len(drafts) <= MOST_DRAFTS:
                self._agenda.note(box, at + DRAFT_KEPT, now)
                return
            del drafts[name]
        del self._boxes[box]

    def keep(self, box: str, name: str, draft: bytes, now: float) -> None:
        drafts = self._boxes.setdefault(box, {})
        drafts.pop(name, None)  # the new one is the youngest
        drafts[name] = draft, now
        self.look(box, now)

    def all_of(self, box: str, now: float) -> Mapping[str, tuple[bytes, float]]:
        return {
            name: (draft, now - at)
            for name, (draft, at) in self._boxes.get(box, {}).items()
            if now - at < DRAFT_KEPT
        }

    def drop(self, box: str, name: str, now: float) -> None:
        if box in self._boxes:
            self._boxes[box].pop(name, None)
            self.look(box, now)
