"""A session's life: what can happen to it in each state, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_idle.life import Life
from quart_idle.states import (
    EXISTS,
    SIGHTS,
    STATES,
    TO_END,
    TO_WRITE,
    Event,
    IllegalTransition,
    Sight,
    State,
)

CONTRIBUTING = Path(__file__).parent.parent.parent / "CONTRIBUTING.md"
REGENERATING = {State.REGENERATING, State.REGENERATING_CLEARED, State.REGENERATING_ENDING}

#: What a caller says of each event.
HAPPEN = {
    Event.NONE_NAMED: lambda life: life.none_named(),
    Event.FOUND: lambda life: life.found("id"),
    Event.FOUND_OVER: lambda life: life.found_over("idle", superseded=False),
    Event.FOUND_SUPERSEDED: lambda life: life.found_over("regenerated", superseded=True),
    Event.READ_FAILED: lambda life: life.read_failed(OSError()),
    Event.CLEAR: lambda life: life.clear(),
    Event.REGENERATE: lambda life: life.regenerate(),
    Event.END: lambda life: life.end("bye"),
    Event.CREATED: lambda life: life.created("id"),
    Event.SAVED: lambda life: life.saved("other"),
    Event.SIGNED_OUT: lambda life: life.signed_out("signed out"),
    Event.REGENERATION_ASKED: lambda life: life.regeneration_asked(object()),
    Event.REGENERATED: lambda life: life.regenerated("new"),
    Event.TAKEN_BACK: lambda life: life.taken_back(),
    Event.NOT_THERE: lambda life: life.not_there(),
    Event.ENDED: lambda life: life.over("bye", elsewhere=False),
    Event.ENDED_ELSEWHERE: lambda life: life.over("bye", elsewhere=True),
    Event.WRITE_FAILED: lambda life: life.write_failed(OSError()),
}


def happen(life: Life[Any], event: Event) -> None:
    if event is Event.LOOK:
        with pytest.raises((OSError, RuntimeError)):
            life.look()
    else:
        HAPPEN[event](life)


def paths() -> dict[State, list[Event]]:
    """A shortest way to each state that can be reached."""
    found: dict[State, list[Event]] = {State.UNREAD: []}
    queue = [State.UNREAD]
    for state in queue:
        for event, after in STATES[state].items():
            if after not in found:
                found[after] = [*found[state], event]
                queue.append(after)
    return found


PATHS = paths()


def life_in(state: State) -> Life[Any]:
    life: Life[Any] = Life()
    for event in PATHS[state]:
        happen(life, event)
    assert life.state is state
    return life


def test_every_state_can_be_reached_and_none_is_a_trap() -> None:
    assert set(PATHS) == set(State)
    for state in State:
        assert set(STATES[state].values()) - {state}
        assert State.LIVE in STATES[state].values(), "it can be read again, or made"


def test_every_event_can_happen_and_is_told_by_one_method() -> None:
    used = {event for row in (*STATES.values(), *SIGHTS.values()) for event in row}
    assert used == set(Event) == {*HAPPEN, Event.LOOK}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", [event for event in Event if event in HAPPEN])
def test_an_event_leads_where_the_table_says_or_is_an_error_that_names_it_and_the_state(
    state: State, event: Event
) -> None:
    life = life_in(state)
    before = (life.state, life.sight, life.stored_id, life.ended, life.regeneration, life.fault)
    is_state_event = any(event in row for row in STATES.values())
    is_sight_event = any(event in row for row in SIGHTS.values())
    legal = (not is_state_event or event in STATES[state]) and (
        not is_sight_event or event in SIGHTS[life.sight]
    )
    if legal:
        happen(life, event)
        assert life.state is STATES[state].get(event, state)
    else:
        with pytest.raises(IllegalTransition) as caught:
            happen(life, event)
        assert event.value in str(caught.value)
        assert any(word.value in str(caught.value) for word in (state, before[1]))
        after = (life.state, life.sight, life.stored_id, life.ended, life.regeneration, life.fault)
        assert after == before, "what cannot happen changes nothing"


@given(st.lists(st.sampled_from(sorted(Event, key=lambda event: event.value)), max_size=30))
def test_what_goes_with_a_state_is_there_in_it_and_in_no_other(events: list[Event]) -> None:
    life: Life[Any] = Life()
    for event in events:
        if event is Event.LOOK and life.sight is Sight.OPEN:
            continue
        try:
            happen(life, event)
        except IllegalTransition:
            continue
        exists, to_end = life.state in EXISTS, life.state in TO_END
        assert (life.id is not None) == exists
        assert (life.stored_id is not None) == (exists or to_end)
        assert (life.regeneration is not None) == (life.state in REGENERATING)
        assert not exists or life.ended is None, "it is live, and over for a reason"
        assert not to_end or life.ended is not None, "it is to end for no reason"
        assert life.sight is not Sight.OPEN or life.fault is None
        assert life.state is not State.UNREAD or life.sight is not Sight.OPEN


def test_what_is_live_and_unchanged_has_nothing_to_write_by_its_state() -> None:
    idle = {State.UNREAD, State.ABSENT, State.SUPERSEDED, State.LIVE}
    assert set(State) - TO_WRITE == idle
    assert not EXISTS & TO_END


# The picture.


def draw() -> str:
    """Both tables as CONTRIBUTING.md has them."""
    lines = ["| a session that is | goes on | stays so |", "| --- | --- | --- |"]
    same = {
        event: after
        for event, after in STATES[State.UNREAD].items()
        if all(row.get(event) is after for row in STATES.values())
    }
    lines += _rows(STATES, same, "anything")
    lines += ["", "| what can be seen of it | goes on | stays so |", "| --- | --- | --- |"]
    lines += _rows(SIGHTS, {}, "")
    return "\n".join(lines)


def _rows(table: Mapping[Any, Mapping[Event, Any]], same: dict[Event, Any], name: str) -> list[str]:
    rows = [(name, same)] if same else []
    rows += [
        (state.value, {event: after for event, after in row.items() if event not in same})
        for state, row in table.items()
    ]
    return [f"| **{name}** | {_moves(name, row)} | {_stays(name, row)} |" for name, row in rows]


def _moves(name: str, row: Mapping[Event, Enum]) -> str:
    by_after: dict[str, list[str]] = {}
    for event, after in row.items():
        if after.value != name:
            by_after.setdefault(after.value, []).append(event.value)
    return "; ".join(f"{', '.join(events)} → **{after}**" for after, events in by_after.items())


def _stays(name: str, row: Mapping[Event, Enum]) -> str:
    return ", ".join(event.value for event, after in row.items() if after.value == name)


def test_the_picture_in_contributing_is_the_table() -> None:
    _, _, rest = CONTRIBUTING.read_text().partition("<!-- drawn by tests/values/test_life.py -->\n")
    picture, _, _ = rest.partition("\n<!-- end -->")
    assert picture == draw(), f"it should be:\n{draw()}"
