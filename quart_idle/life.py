"""The life of a session in a request: its states, what happens to it, and what it is then. Pure.

Everything that decides in which state a session is stands here. CONTRIBUTING.md has the tables as a
picture, which a test draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Generic, NoReturn, TypeVar


class State(Enum):
    """What a session is to the request that has it."""

    #: Not read (yet): nothing is known of it.
    UNREAD = "unread"
    #: There is none, or it is over; new data makes one.
    ABSENT = "absent"
    #: It is over here, and the client has a newer cookie, or is about to get one: only a sign-in
    #: makes a session, whose cookie takes the place of that.
    SUPERSEDED = "superseded"
    #: The store has it.
    LIVE = "live"
    #: Live, and to have a new token.
    TO_REGENERATE = "to regenerate"
    #: Live, and all that is stored is to go; with new data it goes on under a new token.
    CLEARED = "cleared"
    #: The store was asked for a new token, and has not answered: it may have happened.
    REGENERATING = "regenerating"
    #: Regenerating, and cleared since.
    REGENERATING_CLEARED = "regenerating, cleared"
    #: To be ended; what is set is another session's.
    ENDING = "ending"
    #: Regenerating, and to be ended since.
    REGENERATING_ENDING = "regenerating, ending"
    #: A write came too late. What was read can still be seen; to save it is refused.
    OVER = "over"


class Sight(Enum):
    """Whether the application can look at the session."""

    #: There is no telling what it is. The application has not asked.
    HIDDEN = "hidden"
    #: There is no telling, and the application knows.
    TOLD = "told"
    OPEN = "open"


class Event(Enum):
    """What happens to a session."""

    # Reading.
    NONE_NAMED = "no cookie names one"
    FOUND = "found"
    FOUND_OVER = "found over"
    FOUND_SUPERSEDED = "found superseded"
    READ_FAILED = "read failed"

    # What the application does.
    LOOK = "look"
    CLEAR = "clear"
    REGENERATE = "regenerate"
    END = "end"

    # Writing. (It may have been cleared, or told to end, while the store was asked.)
    CREATED = "created"
    SAVED = "saved"
    SIGNED_OUT = "signed out"
    REGENERATION_ASKED = "regeneration asked"
    REGENERATED = "regenerated"
    TAKEN_BACK = "taken back"
    #: The store had nothing to change.
    NOT_THERE = "not there"
    #: The store ended it under the id that the client's cookie names, or under another.
    ENDED = "ended"
    ENDED_ELSEWHERE = "ended elsewhere"
    WRITE_FAILED = "write failed"


# A session can be read again at any time.
_READ: Final = {
    Event.FOUND: State.LIVE,
    Event.FOUND_OVER: State.ABSENT,
    Event.FOUND_SUPERSEDED: State.SUPERSEDED,
}
_ENDED: Final = {Event.ENDED: State.ABSENT, Event.ENDED_ELSEWHERE: State.SUPERSEDED}

#: What a session is after an event, by what it was. What is not here cannot happen.
STATES: Final[Mapping[State, Mapping[Event, State]]] = {
    State.UNREAD: {Event.NONE_NAMED: State.ABSENT, **_READ},
    State.ABSENT: {
        **_READ,
        Event.NONE_NAMED: State.ABSENT,
        Event.CLEAR: State.ABSENT,
        Event.REGENERATE: State.ABSENT,
        Event.END: State.ABSENT,
        Event.CREATED: State.LIVE,
    },
    State.SUPERSEDED: {
        **_READ,
        Event.NONE_NAMED: State.SUPERSEDED,
        Event.CLEAR: State.SUPERSEDED,
        Event.REGENERATE: State.SUPERSEDED,
        Event.END: State.SUPERSEDED,
        Event.CREATED: State.LIVE,
    },
    State.LIVE: {
        **_READ,
        Event.CLEAR: State.CLEARED,
        Event.REGENERATE: State.TO_REGENERATE,
        Event.END: State.ENDING,
        Event.SAVED: State.LIVE,
        Event.REGENERATION_ASKED: State.REGENERATING,  # another user's
        Event.NOT_THERE: State.OVER,
        **_ENDED,
    },
    State.TO_REGENERATE: {
        **_READ,
        Event.CLEAR: State.CLEARED,
        Event.REGENERATE: State.TO_REGENERATE,
        Event.END: State.ENDING,
        Event.SAVED: State.TO_REGENERATE,
        Event.REGENERATION_ASKED: State.REGENERATING,
        Event.NOT_THERE: State.OVER,
        **_ENDED,
    },
    State.CLEARED: {
        **_READ,
        Event.CLEAR: State.CLEARED,
        Event.REGENERATE: State.CLEARED,
        Event.END: State.ENDING,
        Event.SAVED: State.CLEARED,
        Event.SIGNED_OUT: State.ENDING,
        Event.REGENERATION_ASKED: State.REGENERATING,
        Event.NOT_THERE: State.CLEARED,
        **_ENDED,
    },
    State.REGENERATING: {
        **_READ,
        Event.CLEAR: State.REGENERATING_CLEARED,
        Event.REGENERATE: State.REGENERATING,
        Event.END: State.REGENERATING_ENDING,
        Event.REGENERATION_ASKED: State.REGENERATING,
        Event.REGENERATED: State.LIVE,
        Event.SAVED: State.LIVE,
        Event.TAKEN_BACK: State.TO_REGENERATE,
        Event.NOT_THERE: State.OVER,
        **_ENDED,
    },
    State.REGENERATING_CLEARED: {
        **_READ,
        Event.CLEAR: State.REGENERATING_CLEARED,
        Event.REGENERATE: State.REGENERATING_CLEARED,
        Event.END: State.REGENERATING_ENDING,
        Event.REGENERATION_ASKED: State.REGENERATING_CLEARED,
        Event.REGENERATED: State.CLEARED,
        Event.SAVED: State.CLEARED,
        Event.TAKEN_BACK: State.CLEARED,
        Event.NOT_THERE: State.CLEARED,
        **_ENDED,
    },
    State.ENDING: {
        **_READ,
        Event.CLEAR: State.ENDING,
        Event.REGENERATE: State.ENDING,
        Event.END: State.ENDING,
        Event.SAVED: State.ENDING,
        Event.NOT_THERE: State.ENDING,
        **_ENDED,
    },
    State.REGENERATING_ENDING: {
        **_READ,
        Event.CLEAR: State.REGENERATING_ENDING,
        Event.REGENERATE: State.REGENERATING_ENDING,
        Event.END: State.REGENERATING_ENDING,
        Event.REGENERATED: State.ENDING,
        Event.SAVED: State.ENDING,
        Event.TAKEN_BACK: State.ENDING,
        Event.NOT_THERE: State.ENDING,
        **_ENDED,
    },
    State.OVER: {
        **_READ,
        Event.CLEAR: State.CLEARED,
        Event.REGENERATE: State.OVER,
        Event.END: State.ENDING,
    },
}

_SEEN: Final = dict.fromkeys((Event.NONE_NAMED, *_READ), Sight.OPEN)

#: Whether it can be looked at after an event; one that is in none of them does not matter here.
SIGHTS: Final[Mapping[Sight, Mapping[Event, Sight]]] = {
    Sight.HIDDEN: {**_SEEN, Event.READ_FAILED: Sight.HIDDEN, Event.LOOK: Sight.TOLD},
    Sight.TOLD: {**_SEEN, Event.READ_FAILED: Sight.TOLD, Event.LOOK: Sight.TOLD},
    Sight.OPEN: {**_SEEN, Event.WRITE_FAILED: Sight.TOLD},
}

#: It has an id, also when that was found to be over too late.
EXISTS: Final = frozenset(
    {
        *(State.LIVE, State.TO_REGENERATE, State.CLEARED, State.OVER),
        *(State.REGENERATING, State.REGENERATING_CLEARED),
    }
)
#: The store is to be told that it ends.
TO_END: Final = frozenset({State.ENDING, State.REGENERATING_ENDING})
#: Saving is to be tried whatever the session holds, be it to be refused.
TO_WRITE: Final = (EXISTS - {State.LIVE}) | TO_END

_STATE_EVENTS: Final = frozenset(event for row in STATES.values() for event in row)
_SIGHT_EVENTS: Final = frozenset(event for row in SIGHTS.values() for event in row)


class IllegalTransition(Exception):
    """Something happened to a session that cannot happen to one in its state."""


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

    __slots__ = ("_id", "ended", "fault", "regeneration", "sight", "state")

    def __init__(self) -> None:
        self.state = State.UNREAD
        self.sight = Sight.HIDDEN
        # Kept while it is to be ended.
        self._id: str | None = None
        self.ended: str | None = None
        self.regeneration: _R | None = None
        self.fault: Exception | None = None

    def __repr__(self) -> str:
        return f"<{self.state.value} {self._id or 'without an id'}>"

    def _happen(self, event: Event) -> State:
        state, sight = self.state, self.sight
        if event in _STATE_EVENTS:
            state = STATES[state].get(event) or self._refuse(event, state)
        if event in _SIGHT_EVENTS:
            sight = SIGHTS[sight].get(event) or self._refuse(event, sight)
        self.state, self.sight = state, sight
        return state

    def _refuse(self, event: Event, state: State | Sight) -> NoReturn:
        raise IllegalTransition(f"'{event.value}' cannot happen to a session that is {state.value}")

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
