"""Which store `QUART_IDLE_STORE` means: one that is given, or that of a URL's scheme."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ..exceptions import ConfigError
from .base import Store
from .memory import MemoryStore
from .moving import Movable

_REDIS: Final = ("redis", "rediss", "unix", "redis+cluster", "redis+sentinel")

#: What a store's URL can begin with.
SCHEMES: Final = tuple(f"{scheme}://" for scheme in ("memory", "sqlite", *_REDIS))

_METHODS: Final = (
    *("bind", "open", "close", "hears", "timely"),
    *("load", "create", "save", "regenerate", "end", "renew"),
)


def store_of(value: object, folder: Path | None = None) -> Store:
    """The store that is meant.

    Args:
        value: the setting.
        folder: where a file's relative path begins; None: in the folder that the process is in.

    Raises:
        ConfigError: there is no such store.
    """
    if isinstance(value, type):
        raise ConfigError(
            f"QUART_IDLE_STORE is a class, {value.__qualname__}; allowed: a URL, or an object with "
            f"a Store's methods, such as {value.__qualname__}(…)"
        )
    if isinstance(value, Store):
        return value
    if not isinstance(value, str):
        missing = [name for name in _METHODS if not hasattr(value, name)]
        raise ConfigError(
            f"QUART_IDLE_STORE is a {type(value).__qualname__}; allowed: a URL, or an object with "
            f"a Store's methods, of which it has no {', '.join(missing)}"
        )
    if value == "memory://":
        return MemoryStore()
    scheme = _scheme_of(value)
    if scheme in _REDIS:
        try:
            from .redis import RedisStore  # needed by nobody else
        except ImportError as error:
            raise _missing(scheme, error) from None
        return RedisStore(value)
    if scheme == "sqlite":
        try:
            from .sqlite import SQLiteStore  # needed by nobody else
        except ImportError:
            raise _without_sqlite() from None
        return SQLiteStore(value, folder)
    raise _unknown(scheme)


def movable_of(url: str, prefix: str, timeout: float, *, makes: bool) -> Movable:
    """The store whose sessions are moved, without an application.

    Args:
        url: the store's.
        prefix: the namespace there.
        timeout: how long one trip may take, in seconds.
        makes: whether a file is made where it is not there.

    Raises:
        ConfigError: there is no such store, or nothing of it can be moved.
    """
    scheme = _scheme_of(url)
    if scheme in _REDIS:
        try:
            from .redis import RedisMovable
        except ImportError as error:
            raise _missing(scheme, error) from None
        return RedisMovable(url, prefix, timeout)
    if scheme == "sqlite":
        try:
            from .sqlite import SQLiteMovable
        except ImportError:
            raise _without_sqlite() from None
        return SQLiteMovable(url, prefix, timeout, makes=makes)
    if scheme == "memory":
        raise ConfigError(
            "QUART_IDLE_STORE is memory://: those sessions are in the application's own process, "
            "and end with it"
        )
    raise _unknown(scheme)


def _scheme_of(url: str) -> str:
    """The one part of a URL that is repeated: it can hold a password."""
    match = re.match(r"[a-z][a-z0-9+.-]*(?=://)", url)
    return match[0] if match else ""


def _missing(scheme: str, error: ImportError) -> ConfigError:
    return ConfigError(
        f"QUART_IDLE_STORE is a {scheme}:// URL, and {error.name} is missing: "
        "pip install 'quart-idle[redis]'"
    )


def _without_sqlite() -> ConfigError:
    return ConfigError(
        "QUART_IDLE_STORE is a sqlite:// URL, and this Python was built without sqlite3"
    )


def _unknown(scheme: str) -> ConfigError:
    return ConfigError(
        f"QUART_IDLE_STORE names a store {scheme + '://' if scheme else 'without a scheme'} that "
        f"is not known; allowed: {', '.join(SCHEMES)}, or a Store"
    )
