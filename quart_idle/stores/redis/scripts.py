"""The scripts of the files of Lua, with an application's limits in them, and what they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path
from typing import Final

from ...policy import Limits
from ...reasons import BY_TIME, LIMIT, REGENERATED, SIGNED_OUT
from ..attendance import FOUND_LATE, HELD_BACK, MOST_TAKEN_OFF, MOST_TOLD, STAND_IN
from ..base import (
    APPLICATION_KEPT,
    DRAFT_KEPT,
    HASH_TAG_LENGTH,
    MOST_ENDS,
    PERMANENT,
    REASON_KEPT,
    hidden_for,
)
from .keys import Keys
from .packing import (
    CLEAR,
    CLOCKS,
    ENDED_AT,
    ENDED_BY,
    FENCED,
    LAST,
    LOST,
    NEW_ID,
    REASON,
    SAME,
    SAVES_TO,
    USER,
)

#: What a script that writes answers when it comes too late: it has done nothing.
LATE: Final = -1
#: What one that changes a session answers, where there is one.
DONE: Final = 1
LEFT_WITH_NOTHING: Final = 2
REFUSED: Final = 3
#: There are many more sessions than the user may have, and some have ended: to be asked again.
MORE: Final = 4

#: Whose list a new id has joined: that of the user whom the change names. Nobody
#: is called so.
ANYBODY: Final = ""

#: How many sessions end at once for a limit that their user is far above: other calls wait for it.
MOST_ENDED: Final = 500

#: How many sessions a sweep ends for each hash tag before it comes round again.
MOST_DUE: Final = 100

# How much longer than it can be alive a session is kept where no worker is left to sweep it.
_ABANDONED: Final = 86_400.0


# How many ends of a hash tag wait to be told at most: with more, sessions that are due wait, and of
# those that are ended some are dropped. And for how long they wait where no worker is left.
_MOST_UNTOLD: Final = MOST_ENDS // 256
_MOST_SWEPT: Final = _MOST_UNTOLD // 2
UNTOLD_KEPT: Final = 7 * 86_400.0


# For how long a session that is to join a user's list may not be there yet, in seconds: longer than
# any write is waited for.
_JOINING: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Script:
    """A script, and what Redis knows it by once it has seen it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", sha)


# Fields that are not data, or no session.
_FIELDS: Final = {
    "CLOCKS": CLOCKS,
    "USER": USER,
    "REASON": REASON,
    "ENDED_AT": ENDED_AT,
    "NEW_ID": NEW_ID,
    "SAVES_TO": SAVES_TO,
    "ENDED_BY": ENDED_BY,
    "FENCED": FENCED,
    "LOST": LOST,
    "LAST": LAST,
}

_FILES: Final = ("scripts.lua", "attendance.lua")
# Of each, what all of it share; then, by turns, a script's name with its flags, and its own text.
_PARTS: Final = [
    re.split(r"^--- (.*)\n", Path(__file__).with_name(name).read_text(), flags=re.MULTILINE)
    for name in _FILES
]


def scripts(
    limits: Limits, keys: Keys, *, alone: bool, outbox: bool = False
) -> Mapping[str, Script]:
    """The scripts by name.

    Args:
        limits: the clocks that count.
        keys: the names of keys and channels.
        alone: whether one server has all keys, so that a script can have any.
        outbox: whether ends are kept that are to be told.
    """
    infinite = "1/0"
    constants = {
        "TIMEOUT": limits.timeout,
        "LIFETIME": infinite if limits.lifetime is None else limits.lifetime,
        "CLOSED": infinite if limits.closed_timeout is None else limits.closed_timeout,
        "WARNING": limits.warning,
        "KEPT": REASON_KEPT,
        "ABANDONED": _ABANDONED,
        "DRAFT_KEPT": DRAFT_KEPT,
        "APPLICATION_KEPT": APPLICATION_KEPT,
        "MOST_DUE": MOST_DUE,
        "MOST_ENDED": MOST_ENDED,
        **{f"BY_{reason.upper()}": f"'{reason}'" for reason in BY_TIME},
        "REGENERATED": f"'{REGENERATED}'",
        "SIGNED_OUT": f"'{SIGNED_OUT}'",
        "LIMIT": f"'{LIMIT}'",
        "PERMANENT": f"'{PERMANENT}'",
        "CHANNEL": f"'{keys.telling}'",
        "ALONE": "true" if alone else "false",
        "USER_LISTS": f"'{keys.user_lists.decode()}'",
        "SESSIONS": f"'{keys.sessions.decode()}'",
        "INDEX": f"'{keys.index_end.decode()}'",
        "HASH_TAG_LENGTH": HASH_TAG_LENGTH,
        "OUTBOX": "true" if outbox else "false",
        "UNTOLD": f"'{keys.untold_end.decode()}'",
        "TAKEN": f"'{keys.taken_end.decode()}'",
        "HIDDEN": hidden_for(1),
        "MOST_UNTOLD": _MOST_UNTOLD,
        "MOST_SWEPT": _MOST_SWEPT,
        "UNTOLD_KEPT": UNTOLD_KEPT,
        "JOINING": _JOINING,
        "BOARDS": f"'{keys.boards.decode()}'",
        "MOST_TAKEN_OFF": MOST_TAKEN_OFF,
        "FOUND_LATE": FOUND_LATE,
        "HELD_BACK": HELD_BACK,
        "STAND_IN": f"'{STAND_IN}'",
        "MOST_TOLD": MOST_TOLD,
        # Arguments are texts.
        "SAME": f"'{SAME}'",
        "CLEAR": f"'{CLEAR}'",
        "ANYBODY": f"'{ANYBODY}'",
        "LATE": LATE,
        "DONE": DONE,
        "LEFT_WITH_NOTHING": LEFT_WITH_NOTHING,
        "REFUSED": REFUSED,
        "MORE": MORE,
        **{name: f"'\\{field[0]}'" for name, field in _FIELDS.items()},
    }
    settings = "".join(f"local {name} = {value}\n" for name, value in constants.items())
    made = {}
    for shared, *own in _PARTS:
        for heading, text in zip(own[::2], own[1::2], strict=True):
            name, _, flags = heading.partition(" ")
            made[name] = Script(f"#!lua {flags}\n{settings}{shared}{text}")
    return made
