"""What is wrong with a setting is said with its key, its value and what is allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.helpers.settings import settings, wrong

NO_DURATION = [0, -1, True, "60", float("nan"), float("inf"), 10**400, timedelta(0), [60], {}]


WRONG: dict[str, tuple[list[Any], str]] = {
    "timeout": ([*NO_DURATION, None], "a timedelta or seconds"),
    "lifetime": (NO_DURATION, "a timedelta or seconds"),
    "closed_timeout": (NO_DURATION, "a timedelta or seconds"),
    "warning": (NO_DURATION, "a timedelta or seconds"),
    "ping_interval": (NO_DURATION, "a timedelta or seconds"),
    "store_timeout": ([*NO_DURATION, None], "a timedelta or seconds"),
    "keepalive": (["Presence", "", None, True, 1, ["presence"], {}], '"presence" or "activity"'),
    "url_prefix": (
        ["", "/", "idle", "/idle/", "//idle", "/a b", "/<x>", "/a?b", "/\u00e9", None, 1, b"/idle"],
        "a path such as /_idle",
    ),
    **{
        name: (
            ["", "page", "javascript:alert(1)", "/a b", "ftp://a", "data:,", 1, True, b"/a"],
            "a URL that starts with /, http:// or https://, or None",
        )
        for name in ("expired_url", "sign_out_url", "sign_in_url")
    },
    "site_name": (["", " \n", 1, True, b"Bank", ["Bank"]], "a text that is not blank, or None"),
    "user_key": (["", "_permanent", 1, True, b"user", ["user"]], "a key of the session"),
    "allowed_origins": (
        [
            *("https://a.example", ["a.example"], ["https://a.example/"], ["null"], ["*"], [None]),
            *(None, 1, {"https://a.example": 1}, ["https://a.example", ""], [b"https://a.example"]),
        ],
        "a list or tuple of origins",
    ),
    "max_size": ([0, -1, None, True, 1.5, "65536", timedelta(1)], "a number of bytes"),
    "key_prefix": (["", "a b", "{x}", "a*", None, 1, b"a", "\u00e9"], "letters, digits"),
    "devices": ([1, 0, None, "no", "True"], "True or False"),
    "drafts": ([1, 0, None, "no", "True"], "True or False"),
    "max_sessions": ([0, -1, True, 1.5, "5"], "a number of sessions, 1 or more, or None"),
    "max_sessions_policy": (["", "oldest", None, True, ["refuse"]], '"end oldest" or "refuse"'),
}


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [(name, value, allowed) for name, (values, allowed) in WRONG.items() for value in values],
    ids=lambda value: repr(value)[:30],
)
def test_a_wrong_value_fails_naming_the_key_the_value_and_what_is_allowed(
    name: str, value: Any, allowed: str
) -> None:
    key = f"QUART_IDLE_{name.upper()}"
    for text in (wrong({key: value}), wrong(**{name: value})):
        assert text.startswith(f"{key} is {value!r}; allowed: ")
        assert allowed in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout": 60, "warning": 60}, "WARNING is 60; allowed: less than the timeout, 60 s"),
        ({"timeout": 60, "warning": 61}, "WARNING is 61; allowed: less than the timeout, 60 s"),
        ({"timeout": 60, "ping_interval": 60}, "PING_INTERVAL is 60; allowed: less than the tim"),
        (
            {"closed_timeout": 40, "ping_interval": 21},
            "CLOSED_TIMEOUT is 40; allowed: at least twice the ping interval, 42 s",
        ),
    ],
)
def test_values_that_do_not_go_together_fail(options: dict[str, Any], text: str) -> None:
    assert text in wrong(**options)


def test_the_smallest_closed_timeout_is_twice_the_ping_interval() -> None:
    assert settings(closed_timeout=40, ping_interval=20).limits.closed_timeout == 40


@pytest.mark.parametrize("value", [NO_DURATION[0], "x"])
def test_a_wrong_value_of_quart_s_own_key_is_told_as_the_timeout_s(value: Any) -> None:
    assert "QUART_IDLE_TIMEOUT is" in wrong({"PERMANENT_SESSION_LIFETIME": value})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("TIMOUT", "TIMEOUT"),
        ("LIFE_TIME", "LIFETIME"),
        ("CLOSE_TIMEOUT", "CLOSED_TIMEOUT"),
        ("ORIGINS", "ALLOWED_ORIGINS"),
        ("timeout", "TIMEOUT"),
    ],
)
def test_an_unknown_key_fails_with_the_nearest_name(name: str, nearest: str) -> None:
    text = wrong({f"QUART_IDLE_{name}": 1})
    assert "is not a setting" in text
    assert f"did you mean QUART_IDLE_{nearest}?" in text


@pytest.mark.parametrize("name", ["timout", "TIMEOUT", "quart_idle_timeout", "xyz", ""])
def test_an_unknown_keyword_fails(name: str) -> None:
    assert "did you mean QUART_IDLE_" in wrong(None, **{name: 1})
