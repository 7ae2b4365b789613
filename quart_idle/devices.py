"""Where somebody is who signs in: their address and their browser."""

from __future__ import annotations

from typing import Final

from hypercorn.typing import WWWScope

from .stores.base import Device

# How many characters of a text are kept.
_LONGEST: Final = 256


def device_of(scope: WWWScope) -> Device:
    """What a request says of the device that it comes from.

    The address is the one that whatever stands in front of the application made of it.
    """
    client = scope.get("client")
    agents = [value for name, value in scope["headers"] if name.lower() == b"user-agent"]
    return Device(
        _text(str(client[0])) if client else None,
        _text(agents[0].decode("utf-8", "replace")) if agents else None,
    )


def _text(said: str) -> str | None:
    """What a client said, to be stored and shown: without what is no character to be seen."""
    seen = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in said[:_LONGEST]
    )
    return seen.strip() or None
