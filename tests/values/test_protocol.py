"""Frames: what a page may say, and what the server says."""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_idle.exceptions import FrameError, QuartIdleError
from quart_idle.policy import Left
from quart_idle.protocol import (
    MAX_FRAME,
    POLICY_VIOLATION,
    TOO_LONG,
    Ask,
    Extend,
    Frame,
    Pong,
    close_reason,
    milliseconds,
    parse,
    ping,
    state,
    times,
    warn,
)


def pong(idle: str = "0", visible: str = "true") -> str:
    """A pong frame, of values as they stand in JSON."""
    return f'{{"type": "pong", "idle": {idle}, "visible": {visible}}}'


def padded(size: int, character: str = "x") -> str:
    """A frame that is right, of this size in bytes."""
    rest = size - len('{"type": "ask", "pad": ""}')
    count, odd = divmod(rest, len(character.encode()))
    text = f'{{"type": "ask", "pad": "{character * count}{"x" * odd}"}}'
    assert len(text.encode()) == size
    return text


# From a page.


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (pong(), Pong(0.0, True)),
        (pong("1500", "false"), Pong(1.5, False)),
        (pong("0.5"), Pong(0.0005, True)),
        (pong("-0"), Pong(0.0, True)),
        (pong("-0.0"), Pong(0.0, True)),
        (pong("1e3"), Pong(1.0, True)),
        (pong(str(2**53)), Pong(2**53 / 1000, True)),
        ('{"type": "extend"}', Extend()),
        ('{"type": "ask"}', Ask()),
        ('{"type": "ask", "more": [1, {"a": null}]}', Ask()),
        ('{"type": "pong", "type": "ask"}', Ask()),
        ('\n{ "type" :\t"ask"}\r\n', Ask()),
        ('{"\\u0074ype": "\\u0061sk"}', Ask()),
    ],
)
def test_a_frame_is_what_the_page_said(text: str, frame: Frame) -> None:
    found = parse(text)
    assert found == frame
    assert type(found) is type(frame)


HUGE = "9" * 400  # more than a float holds
NOT_MILLISECONDS = [
    *("null", "true", "false", '""', '"0"', "[]", "[0]", "{}", "-1", "-0.001", "-1e-300"),
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e400", HUGE, f"-{HUGE}", f"{HUGE}.5"),
    *(str(2**53 + 1), "9007199254740994.0", "1" + "0" * 430),
]
NOT_TRUE_OR_FALSE = ["null", "0", "1", '""', '"true"', "[]", "{}", "1.0", "NaN"]
NOT_FRAMES: dict[str, Any] = {
    "nothing": None,
    "empty": "",
    "white space": " \n",
    "words": "hello",
    "a pong in words": "pong",
    "half an object": '{"type": "ask"',
    "two objects": '{"type": "ask"}{"type": "ask"}',
    "single quotes": "{'type': 'ask'}",
    "a comment": '{"type": "ask"} // now',
    "a byte order mark": '\ufeff{"type": "ask"}',
    "a NUL": '{"type": "ask"}\x00',
    "a trailing comma": '{"type": "ask",}',
    "a control character": '{"type": "a\nsk"}',
    "a number": "1",
    "null": "null",
    "true": "true",
    "a string": '"ask"',
    "an array": '[{"type": "ask"}]',
    "an empty object": "{}",
    "no type": '{"idle": 0, "visible": true}',
    "an unknown type": '{"type": "hello"}',
    "a type in capitals": '{"type": "ASK"}',
    "a type with white space": '{"type": "ask "}',
    "a server's type": '{"type": "ping", "left": 1, "retry": 1}',
    **{
        f"the type {kind}": f'{{"type": {kind}}}' for kind in ("null", "1", '["ask"]', "{}", "true")
    },
    "NaN elsewhere": '{"type": "ask", "more": NaN}',
    "Infinity elsewhere": '{"type": "ask", "more": [-Infinity]}',
    "binary": b'{"type": "ask"}',
    "binary and empty": b"",
    "binary and no text": b"\xff\x00",
    "deep arrays": "[" * MAX_FRAME,
    "deep objects": '{"a":' * 80 + "1" + "}" * 80,
    "deep inside": '{"type": "hello", "a": ' + "[" * 200 + "]" * 200 + "}",
    "no idle": '{"type": "pong", "visible": true}',
    "no visible": '{"type": "pong", "idle": 0}',
    "neither": '{"type": "pong"}',
    **{f"idle: {value[:30]}": pong(idle=value) for value in NOT_MILLISECONDS},
    **{f"visible: {value}": pong(visible=value) for value in NOT_TRUE_OR_FALSE},
}


@pytest.mark.parametrize("text", NOT_FRAMES.values(), ids=NOT_FRAMES)
def test_what_is_no_frame_breaks_the_protocol(text: Any) -> None:
    with pytest.raises(FrameError) as caught:
        parse(text)
    assert caught.value.code == POLICY_VIOLATION == 1008
    assert caught.value.why
    assert caught.value.__cause__ is None
    assert isinstance(caught.value, QuartIdleError)


@pytest.mark.parametrize("text", ["[" * MAX_FRAME, '{"a":' * 80 + "1" + "}" * 80])
def test_a_deep_frame_breaks_the_protocol_wherever_the_stack_is_deep_already(text: str) -> None:
    def parse_below(frames: int) -> None:
        if frames:
            parse_below(frames - 1)
        else:
            parse(text)

    with pytest.raises(FrameError) as caught:
        parse_below(sys.getrecursionlimit() - len(inspect.stack(0)) - 50)
    assert caught.value.code == POLICY_VIOLATION


@pytest.mark.parametrize("character", ["x", "é", "☃", "\U0001f600"])
def test_a_frame_of_exactly_512_bytes_is_fine_and_one_more_is_too_long(character: str) -> None:
    assert parse(padded(512, character)) == Ask()
    with pytest.raises(FrameError, match="513 bytes") as caught:
        parse(padded(513, character))
    assert caught.value.code == TOO_LONG == 1009


@pytest.mark.parametrize(
    "text",
    ["x" * 513, "[" * 100_000, b"x" * 513, "\ud800" * 171, "9" * 5000, pong("1" * 5000)],
    ids=["words", "deep", "binary", "surrogates", "digits", "a pong's digits"],
)
def test_what_is_too_long_is_not_looked_at(text: str | bytes) -> None:
    with pytest.raises(FrameError) as caught:
        parse(text)
    assert caught.value.code == TOO_LONG


@pytest.mark.parametrize("text", NOT_FRAMES.values(), ids=NOT_FRAMES)
def test_the_reason_tells_nothing_of_the_frame_and_fits_a_close_frame(text: Any) -> None:
    with pytest.raises(FrameError) as caught:
        parse(text)
    assert close_reason(caught.value.why) == caught.value.why
    assert HUGE[:20] not in caught.value.why


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "idle", "visible", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)
ALMOST = st.fixed_dictionaries(
    {"type": st.sampled_from(["pong", "ask", "extend"]) | JSON},
    optional={"idle": st.integers() | st.floats() | JSON, "visible": st.booleans() | JSON},
)


@given(
    st.text(st.characters(codec=None))
    | st.binary()
    | (JSON | ALMOST).map(json.dumps)
    | ALMOST.map(lambda frame: json.dumps(frame, ensure_ascii=False))
)
def test_whatever_a_page_sends_is_a_frame_or_a_frame_error(text: str | bytes) -> None:
    outcome: Frame | int
    try:
        outcome = parse(text)
    except FrameError as error:
        outcome = error.code
    if isinstance(outcome, Pong):
        assert 0 <= outcome.idle <= 2**53 / 1000
        assert type(outcome.visible) is bool
    else:
        assert outcome in (Extend(), Ask(), POLICY_VIOLATION, TOO_LONG)


# From the server.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            state(Left(60.0, 3600.5), 20.0, "presence", 1.0),
            {
                "type": "state",
                "left": 60_000,
                "total": 3_600_500,
                "warning": 20_000,
                "keepalive": "presence",
                "retry": 1000,
            },
        ),
        (
            state(Left(0.1234, None), 0.5, "activity", 30.0),
            {
                "type": "state",
                "left": 123,
                "total": None,
                "warning": 500,
                "keepalive": "activity",
                "retry": 30_000,
            },
        ),
        (ping(59.9996, 1.5), {"type": "ping", "left": 60_000, "retry": 1500}),
        (ping(-1.0, 1.5), {"type": "ping", "left": 0, "retry": 1500}),
        (warn(Left(20.0, None)), {"type": "warn", "left": 20_000, "extendable": True}),
        (warn(Left(20.0, 20.0)), {"type": "warn", "left": 20_000, "extendable": False}),
        (json.dumps(times(Left(-5.0, -1.0))), {"left": 0, "total": 0}),
    ],
)
def test_what_the_server_says_is_json_with_the_documented_fields(
    text: str, expected: dict[str, Any]
) -> None:
    found = json.loads(text)
    assert found == expected
    assert {key: type(value) for key, value in found.items()} == {
        key: type(value) for key, value in expected.items()
    }


@given(st.floats(-(10**9), 10**9))
def test_milliseconds_are_whole_and_never_less_than_none(seconds: float) -> None:
    found = milliseconds(seconds)
    assert type(found) is int
    assert found == max(0, round(seconds * 1000))


@given(st.text(st.characters(codec=None), max_size=200))
def test_a_close_reason_is_what_a_close_frame_can_carry(reason: str) -> None:
    found = close_reason(reason)
    assert len(found.encode()) <= 123
    assert reason.encode("utf-8", "replace").startswith(found.encode())
