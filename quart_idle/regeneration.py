"""A change of token that the store was asked for and has not answered, and what takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .cookies import Token, id_of
from .stores.base import Attributes, Change, Fields


class PendingRegeneration(NamedTuple):
    """A change of token that is not answered yet: it may have happened."""

    id: str
    token: Token
    change: Change
    #: The fields that were stored before, and the contents' epoch.
    stored: Mapping[str, bytes]
    epoch: int
    #: When the user had proved who they are; None: nobody was signed in.
    authenticated: float | None

    @property
    def new_id(self) -> str:
        return id_of(self.token)

    def __repr__(self) -> str:
        return f"<PendingRegeneration from {self.id} to {self.new_id}>"

    @property
    def undo(self) -> Change | None:
        """What takes it back; None where the old token is to have nothing any more."""
        if self.change.begins_anew:
            return None
        # As it was, and not only where it was: no more is to be had with the old token.
        fields = Fields((key, self.stored.get(key)) for key in self.change.fields)
        attributes: Attributes = {}
        if "authenticated" in self.change.attributes and self.authenticated is not None:
            attributes["authenticated"] = self.authenticated
        return Change(fields, attributes)
