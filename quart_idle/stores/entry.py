"""What a change makes of a session, for stores that reckon it in Python: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..policy import Clocks
from .records import PERMANENT, Change, Device, Fields, Record, SignIn


@dataclass(slots=True, repr=False)
class Entry:
    """A session in a store, as it is between two changes."""

    data: Mapping[str, bytes]  # replaced at a change: readers keep the one that they got
    user_id: str | None
    clocks: Clocks
    sign_in: SignIn | None = None

    def apply(self, change: Change, now: float) -> None:
        """Change it, at a moment of the store's clock."""
        data = Fields() if change.clear else Fields(self.data)
        for key, value in change.fields.items():
            if value is None:
                data.pop(key, None)
            else:
                data[key] = value
        self.data = data
        if "user_id" in change.attributes:
            self.user_id = change.attributes["user_id"]
            device = change.attributes.get("device", Device())
            self.sign_in = None if self.user_id is None else SignIn(now, device)
        if self.sign_in is not None and "authenticated" in change.attributes:
            moment = min(now, change.attributes["authenticated"])
            self.sign_in = self.sign_in._replace(authenticated=moment)
        if "timeout" in change.attributes:
            self.clocks = self.clocks._replace(timeout=change.attributes["timeout"])
        if change.begins_anew and now != self.clocks.created:
            self.clocks = self.clocks._replace(began_anew=now)

    def is_left_with_nothing(self, change: Change) -> bool:
        """Whether a change that was applied has ended it."""
        return change.may_empty and self.user_id is None and self.data.keys() <= {PERMANENT}

    def without_data(self, now: float) -> Record:
        """What is read of it at a moment of the store's clock, but for its data."""
        return Record(Fields(), self.user_id, self.clocks, now, self.sign_in)
