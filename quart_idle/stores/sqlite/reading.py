"""Reading, beside whoever writes: sessions by the dozen, a user's list, and what else there is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...policy import Limits, deadline
from ..base import Ended, Listed, Record
from ..changing import Over
from .database import DatabaseFile
from .errors import SessionDamaged
from .lane import Asked
from .opening import Opening
from .rows import Damaged, Row, Table


@dataclass(slots=True, eq=False)
class Load(Asked):
    """A session to read."""

    id: str


@dataclass(slots=True, eq=False)
class Read(Asked):
    """What else is to be read."""

    #: Reads it in a namespace, at a moment of the file's clock.
    work: Callable[[sqlite3.Connection, int, float], Any]


class Reader:
    """What the thread does that reads.

    Args:
        file: the file.
        prefix: the namespace in it.
        limits: the clocks that count.
    """

    def __init__(self, file: DatabaseFile, prefix: str, limits: Limits) -> None:
        self.opening = Opening(file, prefix, writes=False)
        self._file = file
        self._limits = limits

    def do(self, batch: Sequence[Load | Read]) -> Sequence[Any]:
        """Read it all; an answer, or an error, for each."""
        try:
            connection, space = self.opening.connection(), self.opening.space()
            now = self._file.now()  # before the rest: what is read is not older
            ids = {asked.id for asked in batch if isinstance(asked, Load)}
            found = {}
            if ids:
                found = {row.id: row for row in Table(connection, space).by_id(ids, with_data=True)}
            return [
                self._told(found.get(asked.id), now)
                if isinstance(asked, Load)
                else asked.work(connection, space, now)
                for asked in batch
            ]
        except sqlite3.OperationalError as error:
            return [self.opening.failed(error)] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                return [self.opening.failed(error)]
        # One of them is at fault, and the others are not to fail for it.
        half = len(batch) // 2
        return [*self.do(batch[:half]), *self.do(batch[half:])]

    def _told(
        self, row: Row | Damaged | None, now: float
    ) -> Record | Ended | SessionDamaged | None:
        if row is None:
            return None
        if isinstance(row, Damaged):
            return SessionDamaged(row.id)
        if row.over is not None:
            return row.over.why(now)
        end, reason = deadline(row.clocks, self._limits)
        if end <= now:  # nobody has looked at it yet
            return Over(reason, end).why(now)
        return Record(row.data, row.user_id, row.clocks, now, row.sign_in)

    def sessions_of(self, user_id: str, after: float, limit: int) -> Read:
        """What reads a user's list, as `UserStore.sessions_of`."""

        def read(connection: sqlite3.Connection, space: int, now: float) -> list[Listed]:
            table = Table(connection, space)
            found: list[Listed] = []
            behind = after
            while len(found) < limit:
                rows = table.of_user(user_id, behind, limit)
                for row in rows:
                    if row.listed is not None:
                        behind = float(row.listed[1])
                        if row.sign_in and deadline(row.clocks, self._limits)[0] > now:
                            found.append(Listed(row.id, row.clocks, behind, now, row.sign_in))
                if len(rows) < limit:
                    break
            return found[:limit]

        return Read(read)
