"""What is stored of a session: bytes and back, with no server."""

from __future__ import annotations

import struct
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_idle.policy import Clocks, Limits, SignOfLife
from quart_idle.stores.base import NOW, REASON_KEPT, Device, Ended, Record, SignIn
from quart_idle.stores.redis import packing
from quart_idle.stores.redis.packing import change_arguments, pack_signs, unpack_session
from tests.store_contract import change

LIMITS = Limits(timeout=60.0, lifetime=1000.0, closed_timeout=30.0)
CLOCKS = struct.pack("<ddddB", 10.0, 20.0, 30.0, 0.0, 0)


def stored(data: dict[bytes, bytes], protocol: int) -> Any:
    """A hash, as Redis answers it in a version of its protocol."""
    return data if protocol == 3 else [part for pair in data.items() for part in pair]


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_session_is_its_data_its_user_and_its_clocks(protocol: int) -> None:
    found = stored({b"a": b"1", packing.USER: b"ada", packing.CLOCKS: CLOCKS}, protocol)
    record = unpack_session(found, 50.0, LIMITS)
    clocks = Clocks(10.0, 20.0, 30.0)
    assert record == Record({"a": b"1"}, "ada", clocks, 50.0, SignIn(10.0))


@pytest.mark.parametrize("protocol", [2, 3])
def test_an_id_that_never_was_is_no_session(protocol: int) -> None:
    assert unpack_session(stored({}, protocol), 50.0, LIMITS) is None


@pytest.mark.parametrize(("now", "is_told"), [(100.0, True), (99.0 + REASON_KEPT, False)])
def test_an_end_is_told_for_its_time(now: float, is_told: bool) -> None:
    found = {packing.REASON: b"idle", packing.ENDED_AT: b"99"}
    expected = Ended("idle", now - 99.0) if is_told else None
    assert unpack_session(found, now, LIMITS) == expected


@pytest.mark.parametrize(("now", "ended"), [(79.5, False), (80.0, True)])
def test_a_session_whose_deadline_is_past_is_over_though_nobody_swept_it(
    now: float, ended: bool
) -> None:
    found = unpack_session({packing.CLOCKS: CLOCKS, b"a": b"1"}, now, LIMITS)
    assert found == Ended("idle", 0.0) if ended else isinstance(found, Record)


DEVICE = struct.pack("<ii", 4, 3) + b"hostcli"


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        # What workers of former versions store: one that did not begin anew, and one that did.
        (b"", SignIn(10.0)),
        (struct.pack("<d", 15.0), SignIn(15.0)),
        # That a user who signed in there proved it again.
        (struct.pack("<dd", 15.0, 16.0), SignIn(16.0)),
        (struct.pack("<dd", 10.0, 16.0) + DEVICE, SignIn(16.0, Device("host", "cli"))),
        # What a later version may.
        (struct.pack("<dd", 15.0, 16.0) + DEVICE + b"more", SignIn(16.0, Device("host", "cli"))),
        (
            struct.pack("<ddii", 15.0, 16.0, -1, 0),
            SignIn(16.0, Device(None, "")),
        ),
    ],
)
def test_workers_of_other_versions_are_understood(behind: bytes, expected: SignIn) -> None:
    raw = CLOCKS + behind
    began = struct.unpack_from("<d", behind)[0] if behind else 10.0
    clocks = packing.unpack_clocks(raw)
    assert clocks == Clocks(10.0, 20.0, 30.0, began_anew=None if began == 10.0 else began)
    assert packing.unpack_sign_in(raw, clocks) == expected


@given(st.text(st.characters()))
def test_every_text_is_a_name(text: str) -> None:
    raw = packing.to_bytes(text)
    assert packing.to_text(raw) == text
    own = (packing.CLOCKS, packing.USER, packing.REASON, packing.ENDED_AT, packing.NEW_ID)
    assert raw not in (*own, packing.SAVES_TO, packing.ENDED_BY)


def test_a_change_says_how_many_fields_it_sets_and_then_what_it_deletes() -> None:
    told = list(change_arguments(change({"a": b"1", "b": None, "c": b"3"})))
    assert told == [b"", packing.SAME, 2, b"a", b"1", b"c", b"3", b"b"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"timeout": 5.0}, ["5.0", packing.SAME, 0]),
        ({"timeout": None}, [0, packing.SAME, 0]),
        (
            {"user_id": "ada"},
            [b"", b"1" + struct.pack("<dii", inf, -1, -1), 1, packing.USER, b"ada"],
        ),
        (
            {"user_id": "ada", "device": Device("host", "cli"), "authenticated": 5.0},
            [b"", b"1" + struct.pack("<d", 5.0) + DEVICE, 1, packing.USER, b"ada"],
        ),
        ({"authenticated": NOW}, [b"", b"0" + struct.pack("<d", inf), 0]),
        ({"user_id": None}, [b"", packing.ANEW, 0, packing.USER]),
        ({"clear": True}, [b"", packing.CLEAR, 0]),
    ],
)
def test_a_change_says_what_of_the_session_stays(more: Any, expected: list[Any]) -> None:
    assert list(change_arguments(change({}, **more))) == expected


def test_signs_of_life_name_each_index_once() -> None:
    signs = [SignOfLife(1.0, None, True), SignOfLife(2.0, 3.0, False), SignOfLife(0.0, 0.0, False)]
    indexes, packed = pack_signs(signs, [b"one", b"two", b"one"])
    assert indexes == [b"one", b"two"]
    assert list(struct.iter_unpack("<ddBH", packed)) == [
        (1.0, -1.0, 1, 1),
        (2.0, 3.0, 0, 2),
        (0.0, 0.0, 0, 1),
    ]
