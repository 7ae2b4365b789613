"""The states of a session in a request, what happens to it, and what it is then. Pure.

Everything that decides in which state a session is stands here; `Life` is one that goes through
them. CONTRIBUTING.md has the tables as a picture, which a test draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Final, NoReturn


class _Key(Enum):
    """A key of the tables. By identity: Enum's own hash is a call of Python's, 8 in a request."""

    __hash__ = object.__hash__


class State(_Key):
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


class Sight(_Key):
    """Whether the application can look at the session."""

    #: There is no telling what it is. The application has not asked.
    HIDDEN = "hidden"
    #: There is no telling, and the application knows: it asked, and got the error.
    FAULT_RAISED = "fault raised"
    OPEN = "open"


class Event(_Key):
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
    Sight.HIDDEN: {**_SEEN, Event.READ_FAILED: Sight.HIDDEN, Event.LOOK: Sight.FAULT_RAISED},
    Sight.FAULT_RAISED: {
        **_SEEN,
        Event.READ_FAILED: Sight.FAULT_RAISED,
        Event.LOOK: Sight.FAULT_RAISED,
    },
    Sight.OPEN: {**_SEEN, Event.WRITE_FAILED: Sight.FAULT_RAISED},
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


@cache  # each request reads a session: the same few ways, over and over
def after(event: Event, state: State, sight: Sight) -> tuple[State, Sight]:
    """What a session is after an event, by what it was.

    Raises:
        IllegalTransition: that cannot happen to it.
    """
    if event in _STATE_EVENTS:
        state = STATES[state].get(event) or _refuse(event, state)
    if event in _SIGHT_EVENTS:
        sight = SIGHTS[sight].get(event) or _refuse(event, sight)
    return state, sight


def _refuse(event: Event, state: State | Sight) -> NoReturn:
    raise IllegalTransition(f"'{event.value}' cannot happen to a session that is {state.value}")
