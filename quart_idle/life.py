"""The life of one session in a request: its state, and what goes with it. Pure.

Which state leads to which is in `states`.
"""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar

from .states import EXISTS, Event, Sight, State, after

_R = TypeVar("_R")


class Life(Generic[_R]):
    """The state of one session, and what goes with it: nobody else sets either.

    Attributes:
        state: what it is.
        sight: whether the application can look at it.
        ended: why it is over, or ends; None: it is live, or there was none.
        regeneration: the change of token that is not answered yet.
        fault: why it cannot be looked at; None where it was not tried.
    """

    state = State.UNREAD
    sight = Sight.HIDDEN
    # Kept while it is to be ended.
    _id: str | None = None
    ended: str | None = None
    regeneration: _R | None = None
    fault: Exception | None = None

    def __repr__(self) -> str:
        return f"<{self.state.value} {self._id or 'without an id'}>"

    def _happen(self, event: Event) -> State:
        self.state, self.sight = after(event, self.state, self.sight)
        return self.state

    @property
    def id(self) -> str | None:
        """The session's id; None where there is none, or it is to be ended."""
        return self._id if self.state in EXISTS else None

    @property
    def stored_id(self) -> str | None:
        """The id by which the store knows it: also that of one that is to be ended."""
        return self._id

    @property
    def was_not_tried(self) -> bool:
        """Whether nobody has tried to read it."""
        return self.state is State.UNREAD and self.fault is None

    # Reading.

    def none_named(self) -> None:
        """There is nothing to read."""
        self._happen(Event.NONE_NAMED)
        self.fault = None

    def found(self, id: str) -> None:
        self._happen(Event.FOUND)
        self._id = id
        self.ended = self.regeneration = self.fault = None

    def found_over(self, reason: str, *, superseded: bool) -> None:
        self._happen(Event.FOUND_SUPERSEDED if superseded else Event.FOUND_OVER)
        self._id = self.regeneration = self.fault = None
        self.ended = reason

    def read_failed(self, error: Exception) -> None:
        """There is no telling until it is read again; so too after a write that failed."""
        self._happen(Event.READ_FAILED)
        self.fault = error

    # What the application does.

    def look(self) -> NoReturn:
        """Tell the application, which looks, why it cannot; where it can there is no need to ask.

        Raises:
            Exception: the fault.
        """
        self._happen(Event.LOOK)
        raise self.fault or RuntimeError(
            "the session is not read for static files; await session.reload() reads it"
        )

    def clear(self) -> None:
        self._happen(Event.CLEAR)

    def regenerate(self) -> None:
        self._happen(Event.REGENERATE)

    def end(self, reason: str) -> None:
        if self.state in EXISTS:
            self.ended = reason
        self._happen(Event.END)

    # Writing.

    def signed_out(self, reason: str) -> None:
        """All was cleared, and nobody is there in place of the user that was."""
        self._happen(Event.SIGNED_OUT)
        self.ended = reason

    def created(self, id: str) -> None:
        self._happen(Event.CREATED)
        self._id, self.ended = id, None

    def saved(self, id: str) -> None:
        """A change is stored, under the id that the session has now."""
        if self._happen(Event.SAVED) in EXISTS:
            self._id = id
        self.regeneration = None

    def regeneration_asked(self, regeneration: _R) -> None:
        self._happen(Event.REGENERATION_ASKED)
        self.regeneration = regeneration

    def regenerated(self, id: str) -> None:
        """The token has changed as it was asked for."""
        self._happen(Event.REGENERATED)
        self._id, self.regeneration = id, None

    def taken_back(self) -> None:
        """The session has its former token again."""
        self._happen(Event.TAKEN_BACK)
        self.regeneration = None

    def not_there(self) -> None:
        """There was nothing to change."""
        self._happen(Event.NOT_THERE)
        self.regeneration = None

    def over(self, reason: str, *, elsewhere: bool) -> None:
        """The store has ended it, or says that it was over before.

        Args:
            reason: why.
            elsewhere: whether that was not under the id that the client's cookie names: a newer
                cookie may be on its way.
        """
        self._happen(Event.ENDED_ELSEWHERE if elsewhere else Event.ENDED)
        self._id = self.regeneration = None
        self.ended = reason

    def write_failed(self, error: Exception) -> None:
        """The application is told that what it changed is not stored."""
        self._happen(Event.WRITE_FAILED)
        self.fault = error
