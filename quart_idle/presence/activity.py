"""What a sign of life from a page is worth."""

from __future__ import annotations

from typing import Final

from ..config_values import Keepalive
from ..policy import SignOfLife
from ..protocol import Pong

#: What "stay signed in" is.
ACTIVE_NOW: Final = SignOfLife(seen=0.0, active=0.0, paged=True)
#: A page that is there, and no more.
SEEN_NOW: Final = SignOfLife(seen=0.0, active=None, paged=True)


def sign_of_life(pong: Pong, keepalive: Keepalive) -> SignOfLife:
    """What an answer from a page is worth: `QUART_IDLE_KEEPALIVE` says."""
    if keepalive == "presence":
        return ACTIVE_NOW
    return SignOfLife(seen=0.0, active=pong.idle, paged=True)
