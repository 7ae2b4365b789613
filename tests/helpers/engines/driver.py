"""What the tests ask of a browser, whoever makes it: tabs that are driven as by a user.

What users see and do there is in ``acts``, by scripts that are the same for all.
"""

from __future__ import annotations

import json
from typing import Any, Literal, Protocol

#: What brings a tab back that was not there, or never was: from what the browser knows of it, such
#: as its address, and what is in its HTTP cache.
Return = Literal["duplicated", "restored", "discarded"]

#: What colours the user wishes for.
Wish = Literal["dark", "forced colours"]


class Tab(Protocol):
    """A tab, or a window that a page has opened."""

    async def go(self, url: str) -> None:
        """Load a page, and wait until it is there."""

    async def back(self) -> None:
        """Press the browser's own button."""

    async def evaluate(self, function: str, *arguments: Any) -> Any:
        """What a function of JavaScript gives, or its promise.

        `BetweenPages` if there is no page.
        """

    async def click(self, x: float, y: float) -> None:
        """Press and release at a place in the window."""

    async def type(self, *keys: str) -> None:
        """Press and release keys, one after the other: characters, or names as in `KEYS`."""

    async def front(self) -> None:
        """Have it in front of the others."""

    async def pdf(self) -> bytes:
        """What would be printed, where the driver can tell."""

    async def shrink(self) -> None:
        """Have the page zoomed to 200% or more, with 320 by 256 pixels of its own."""

    async def picture(self) -> bytes:
        """What is seen, as a PNG."""

    async def read_out(self) -> str:
        """What the accessibility tree holds, which is what screen readers go by."""

    async def close(self) -> None: ...


class Engine(Protocol):
    """A browser with a profile of its own."""

    async def tab(self) -> Tab:
        """A new tab, in front of the others."""

    async def hidden_tab(self) -> Tab:
        """A new tab, behind another."""

    async def tabs(self) -> list[Tab]:
        """All of them, and the windows that pages have opened."""

    async def bring_back(self, tab: Tab, how: Return) -> Tab:
        """The tab once more: duplicated; closed and restored; or discarded, and shown again."""

    async def prefer(self, wish: Wish) -> None:
        """Have colours as the user wishes; before the first tab."""

    async def start_over(self) -> None:
        """Close all tabs, and forget cookies and wishes."""


class DriverError(Exception):
    """What the browser answered in place of a result."""


# As WebDriver numbers them.
KEYS = {"Enter": "\ue006", "Escape": "\ue00c", "Shift": "\ue008", "Tab": "\ue004"}


def called(function: str) -> str:
    """A function from JSON to JSON: what is not plain has no other way through all drivers."""
    return f"async (text) => JSON.stringify((await ({function})(...JSON.parse(text))) ?? null)"


def packed(arguments: tuple[Any, ...]) -> str:
    return json.dumps(arguments)


def click_at(x: float, y: float) -> list[dict[str, Any]]:
    """WebDriver's actions, which are BiDi's too."""
    return [
        {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": [
                {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0},
                {"type": "pointerDown", "button": 0},
                {"type": "pointerUp", "button": 0},
            ],
        }
    ]


def strokes(keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """The same for keys; a name such as `Shift+Tab` is a chord."""
    actions = []
    for key in keys:
        chord = [KEYS.get(part, part) for part in (key.split("+") if len(key) > 1 else [key])]
        actions += [{"type": "keyDown", "value": value} for value in chord]
        actions += [{"type": "keyUp", "value": value} for value in reversed(chord)]
    return [{"type": "key", "id": "keyboard", "actions": actions}]
