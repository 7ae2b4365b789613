"""What assistive technology is told of a browser, and does there, by AT-SPI.

Run as a program, with ``DBUS_SESSION_BUS_ADDRESS``: it prints all names and texts that there are,
or presses the buttons of a name, so many times. (The library comes with WebKitGTK; it blocks.)
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import Any


def _library() -> Any:
    library = ctypes.CDLL("libatspi.so.0")
    for name in (
        *("get_desktop", "accessible_get_child_at_index"),
        *("accessible_get_text_iface", "accessible_get_action_iface"),
    ):
        getattr(library, f"atspi_{name}").restype = ctypes.c_void_p
    for name in ("accessible_get_name", "text_get_text"):
        getattr(library, f"atspi_{name}").restype = ctypes.c_char_p
    library.atspi_init()
    return library


_AT: Any = _library() if __name__ == "__main__" else None


def everything(accessible: ctypes.c_void_p) -> Iterator[ctypes.c_void_p]:
    yield accessible
    for number in range(_AT.atspi_accessible_get_child_count(accessible, None)):
        child = _AT.atspi_accessible_get_child_at_index(accessible, number, None)
        if child:
            yield from everything(ctypes.c_void_p(child))


def said_of(accessible: ctypes.c_void_p) -> Iterator[str]:
    """Its name, and its text."""
    found = [_AT.atspi_accessible_get_name(accessible, None)]
    if text := _AT.atspi_accessible_get_text_iface(accessible):
        found.append(_AT.atspi_text_get_text(ctypes.c_void_p(text), 0, -1, None))
    yield from (each.decode() for each in found if each)


def press(accessible: ctypes.c_void_p) -> None:
    action = _AT.atspi_accessible_get_action_iface(accessible)
    assert _AT.atspi_action_do_action(ctypes.c_void_p(action), 0, None)


def main(button: str | None = None, times: str = "1") -> None:
    for accessible in everything(ctypes.c_void_p(_AT.atspi_get_desktop(0))):
        said = list(said_of(accessible))
        if button is None:
            print(*said, sep="\n", end="\n" if said else "")
        elif said[:1] == [button]:
            for _ in range(int(times)):
                press(accessible)


if __name__ == "__main__":
    main(*sys.argv[1:])
