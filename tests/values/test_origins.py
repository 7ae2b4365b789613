"""What an origin is, and what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quart_idle.config_values import origin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a.example", ("http", "a.example", 80)),
        ("https://a.example", ("https", "a.example", 443)),
        ("http://a.example:80", ("http", "a.example", 80)),
        ("https://a.example:443", ("https", "a.example", 443)),
        ("http://a.example:443", ("http", "a.example", 443)),
        ("https://a.example:80", ("https", "a.example", 80)),
        ("HTTPS://A.Example:8443", ("https", "a.example", 8443)),
        ("http://127.0.0.1:8000", ("http", "127.0.0.1", 8000)),
        ("http://[::1]", ("http", "[::1]", 80)),
        ("https://[2001:DB8::1]:8443", ("https", "[2001:db8::1]", 8443)),
        ("https://xn--bcher-kva.example", ("https", "xn--bcher-kva.example", 443)),
        ("https://localhost", ("https", "localhost", 443)),
    ],
)
def test_an_origin_is_its_scheme_host_and_port(text: str, expected: Any) -> None:
    assert origin(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "*", "a.example", "//a.example", "https:", "https://", "https:a.example"),
        *("https://a.example/", "https://a.example/path", "https://a.example?q", "https://a.ex#f"),
        *("https://user@a.example", "https://user:pass@a.example", "https://a.example@b.example"),
        *("https://a.example:", "https://a.example:x", "https://a.example:-1", "https://:443"),
        *("https://a.example:999999", "https://a.example:80:80", "https://a.example :80"),
        *(" https://a.example", "https://a.example ", "https://a.example\n", "https://a\t.example"),
        *("https://a.example, https://b.example", "https://a.example https://b.example"),
        *("ftp://a.example", "file://", "ws://a.example", "chrome-extension://abc", "data:,"),
        *("https://[::1", "https://::1", "https://[::1]x", "https://[]", "https://[a.example]"),
        *("https://a.example\\.b.example", "https://a.example\\@b.example", "https:\\\\a.example"),
        *("https://a.example\x00", "https:///a.example", "javascript://a.example"),
    ],
)
def test_what_is_no_origin_is_none(text: str) -> None:
    assert origin(text) is None


def test_look_alikes_are_other_origins() -> None:
    look_alikes = [
        *("https://a.example", "http://a.example", "https://a.example:8443", "https://a.example."),
        *(
            "https://b.a.example",
            "https://aa.example",
            "https://a.example.evil",
            "https://a-example",
        ),
        *("https://a.examp1e", "https://\u0430.example"),
    ]
    assert len({origin(text) for text in look_alikes}) == len(look_alikes)


@given(st.text(st.characters(codec=None)) | st.from_regex(r"https?://[^/]*"))
def test_whatever_a_header_says_is_an_origin_or_none(text: str) -> None:
    found = origin(text)
    if found is not None:
        scheme, host, port = found
        assert scheme in ("http", "https")
        assert host
        assert 0 <= port <= 99_999
        assert origin(f"{scheme}://{host}:{port}") == found
