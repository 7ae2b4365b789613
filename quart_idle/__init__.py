"""Server-side sessions for Quart that end when nobody is there any more."""

from .config import Options
from .exceptions import (
    ConfigError,
    QuartIdleError,
    ReauthenticationRequired,
    SessionEnded,
    SessionTooLarge,
    StoreUnavailable,
    TooManySessions,
)
from .extension import QuartIdle
from .session import Session
from .sessions import SessionInfo
from .stores.base import Counts, Store
from .stores.memory import MemoryStore

__all__ = [
    "ConfigError",
    "Counts",
    "MemoryStore",
    "Options",
    "QuartIdle",
    "QuartIdleError",
    "ReauthenticationRequired",
    "Session",
    "SessionEnded",
    "SessionInfo",
    "SessionTooLarge",
    "Store",
    "StoreUnavailable",
    "TooManySessions",
]
