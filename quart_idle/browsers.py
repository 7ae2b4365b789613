"""What browser a user agent is, in plain words, where ua-parser is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

# How many answers are kept: each takes about a millisecond to find.
_MOST_KEPT: Final = 2048

# What is said otherwise than by ua-parser.
_PLAIN: Final = {"Mac OS X": "macOS", "Chrome OS": "ChromeOS"}


@cache
def _parser() -> Callable[[str], tuple[str | None, str | None]] | None:
    """What tells the browser and the system of a user agent."""
    try:
        from ua_parser import parse_os, parse_user_agent
    except ImportError:
        return None

    def parse(user_agent: str) -> tuple[str | None, str | None]:
        browser, system = parse_user_agent(user_agent), parse_os(user_agent)
        return browser.family if browser else None, system.family if system else None

    return parse


@lru_cache(_MOST_KEPT)
def browser_of(user_agent: str) -> str | None:
    """A user agent in plain words, as "Firefox on Windows"; None: it says nothing known.

    The first time takes about half a second, in which the rules are loaded.
    """
    parse = _parser()
    if parse is None:
        return None
    browser, system = (_PLAIN.get(name or "", name) for name in parse(user_agent))
    if browser is not None:
        browser = browser.removeprefix("Mobile ").removesuffix(" Mobile")
    return " on ".join(filter(None, (browser, system))) or None
