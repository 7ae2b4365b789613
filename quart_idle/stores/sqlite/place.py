"""URLs of SQLite files: which file is meant. No disk is touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from ...exceptions import ConfigError

_SCHEME: Final = "sqlite://"

_ALLOWED: Final = (
    "allowed: sqlite:///sessions.db (in the application's instance folder) or "
    "sqlite:////var/lib/site/sessions.db"
)

# Whether each commit waits until the disk has it.
_SYNCHRONOUS: Final = {"normal": False, "full": True}


class Place(NamedTuple):
    """What a URL names."""

    path: Path
    #: Whether each commit waits until the disk has it.
    synced: bool = False


def place_of(url: str, folder: Path) -> Place:
    """The file that a URL names.

    Args:
        url: ``sqlite:///`` and a path, percent-encoded; ``?synchronous=full`` has each commit wait
            until the disk has it.
        folder: where a relative path begins.

    Raises:
        ConfigError: the URL is wrong.
    """
    location, _, query = url.removeprefix(_SCHEME).partition("?")
    host, slash, path = location.partition("/")
    # As the system has names: what is no text is kept as it is.
    name = unquote(path, errors="surrogateescape")
    if ":memory:" in (host, name) or not (host or name):
        raise _wrong("names no file, and what is in memory is not shared: use memory://", _ALLOWED)
    if host or not slash:
        raise _wrong("names a host: a path begins with a third slash", _ALLOWED)
    if "#" in url or "\0" in name:
        raise _wrong("cannot be read: in its path # is %23, ? is %3F, and % is %25", _ALLOWED)
    if name.endswith("/"):
        raise _wrong(f"names a folder, {name!r}", _ALLOWED)
    return Place(Path(os.path.abspath(folder / name)), _synced(query))


def _synced(query: str) -> bool:
    allowed = "allowed behind the ?: synchronous=normal, synchronous=full"
    synced = False
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option != "synchronous":
            raise _wrong(f"has an option {option!r} that is not known", allowed)
        if value.lower() not in _SYNCHRONOUS:
            raise _wrong(f"has {value!r} for synchronous", allowed)
        synced = _SYNCHRONOUS[value.lower()]
    return synced


def _wrong(why: str, allowed: str) -> ConfigError:
    return ConfigError(f"QUART_IDLE_STORE is an sqlite:// URL that {why}; {allowed}")
