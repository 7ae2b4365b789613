"""What a transaction does to sessions: read once, changed in Python, written at its end.

A statement of SQL costs more than what is reckoned of a session, and lets go of the interpreter's
lock: where the event loop is busy, that is a wait each time. So a transaction takes a few for all
that it is asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from ...policy import Clocks, Limits, deadline
from ...reasons import REGENERATED
from ..base import REASON_KEPT, Ended, Fields, Live, Record, UntoldEnd
from ..changing import Over
from .errors import SessionDamaged
from .rows import ALL, CLOCKS, DATA, LOOK, Damaged, Row, Table

# After how long a session is looked at in any case, in seconds: an application that starts with
# shorter times knows soon what is due by those.
_FAR: Final = 86_400.0


class Book:
    """The sessions of one namespace, for the length of a transaction; see `changing.Sessions`.

    Args:
        connection: to the file, in a transaction that writes.
        space: the namespace.
        limits: the clocks that count.
        keeps_ends: whether ends are to be told.

    Attributes:
        needs_data: whether what is read of a session is read with its data.
        has_ended: whether a call has ended a session that was not due.
        ended: ends that are to be told out of the outbox.
        told: what is to be told at once, here and to other workers.
    """

    def __init__(
        self, connection: sqlite3.Connection, space: int, limits: Limits, *, keeps_ends: bool
    ) -> None:
        self.connection = connection
        self.space = space
        self.keeps_ends = keeps_ends
        self.needs_data = True
        self.has_ended = False
        self.ended: list[UntoldEnd] = []
        self.told: list[tuple[str, Live | Ended]] = []
        self._limits = limits
        self._table = Table(connection, space)
        self._rows: dict[str, Row | None] = {}
        self._unwritten: dict[str, Row] = {}

    # Reading.

    def fetch(self, ids: Collection[str], *, with_data: bool = True) -> None:
        """Have read of these what is not known yet, but for what is damaged."""
        wanted = {
            id
            for id in ids
            if id not in self._rows
            or (with_data and (row := self._rows[id]) is not None and not row.has_data)
        }
        if not wanted:
            return
        for found in self._table.by_id(wanted, with_data=with_data):
            known = self._rows.get(found.id)
            if isinstance(found, Damaged):
                wanted.discard(found.id)
            elif known is None:
                self._rows[found.id] = found
            elif known.over is None:  # nothing but its clocks can have been changed meanwhile
                known.data, known.has_data = found.data, True
        for id in wanted:
            self._rows.setdefault(id, None)

    def _row(self, id: str) -> Row | None:
        if not self._knows(id):
            self.fetch([id], with_data=self.needs_data)
            if not self._knows(id):
                raise SessionDamaged(id)
        return self._rows[id]

    def _knows(self, id: str) -> bool:
        """Whether of a session that is read which is needed, be it that there is none."""
        row = self._rows.get(id)
        return id in self._rows and (row is None or row.has_data or not self.needs_data)

    def undamaged(self, ids: Collection[str]) -> set[str]:
        """Those of these that can be read, and those that there are not."""
        self.fetch(ids, with_data=self.needs_data)
        return {id for id in ids if self._knows(id)}

    def _known(self, row: Row) -> Row:
        """One that was read otherwise, as it is known by now."""
        found = self._rows.get(row.id)
        if found is None:
            self._rows[row.id] = found = row
        return found

    def due(self, now: float, limit: int) -> list[Row | Damaged]:
        """Rows that are to be looked at by now; so many at most."""
        self.write()
        found = self._table.due(now, limit)
        return [row if isinstance(row, Damaged) else self._known(row) for row in found]

    def listed(self, user_id: str, after: float, limit: int) -> list[tuple[float, str]]:
        """Places in a user's list behind a place, and who has them; so many at most."""
        self.write()
        rows = map(self._known, self._table.of_user(user_id, after, limit))
        return [(float(row.listed[1]), row.id) for row in rows if row.listed]

    def place_of(self, id: str, user_id: str) -> float | None:
        """Where a session stands in a user's list, if it does."""
        row = self._row(id)
        listed = None if row is None else row.listed
        return float(listed[1]) if listed is not None and listed[0] == user_id else None

    # As `changing.Sessions` has it.

    def new(self, id: str, clocks: Clocks) -> Row:
        row = self._row(id)
        listed = None if row is None else row.listed
        key = None if row is None else row.key
        return Row(Fields(), None, clocks, id=id, key=key, listed=listed)

    def alive(self, id: str, now: float) -> Row | None:
        row = self._row(id)
        if row is None or row.over is not None or row.is_gone:
            return None
        end, reason = self.deadline(row)
        if end <= now:
            self._finish(id, Over(reason, end), now)
            return None
        return row

    def over(self, id: str, now: float) -> Over | None:
        row = self._row(id)
        if row is None or row.over is None or row.over.why(now) is None:
            return None
        return row.over

    def put(self, id: str, entry: Row, now: float) -> None:
        self._rows[id] = entry
        self._enlist(entry, anew=False)
        self._watch(entry, now)
        self._note(entry, ALL)

    def move(self, id: str, new_id: str, entry: Row, now: float, over: Over, *, anew: bool) -> None:
        former = self._row(new_id)
        moved = Row(
            entry.data,
            entry.user_id,
            entry.clocks,
            entry.sign_in,
            id=new_id,
            key=None if former is None else former.key,
            listed=entry.listed,
        )
        self._rows[new_id] = moved
        self._enlist(moved, anew=anew)
        self._watch(moved, now)
        self._note(moved, ALL)
        self.finish(id, over, now)

    def changed(self, id: str, entry: Row, now: float, *, nearer: bool) -> None:  # noqa: ARG002
        listed = entry.listed
        self._enlist(entry, anew=False)
        if nearer:
            self._watch(entry, now)
        self._note(entry, DATA if listed == entry.listed else ALL)

    def renewed(self, id: str, entry: Row, now: float, *, nearer: bool) -> None:  # noqa: ARG002
        if nearer:
            self._watch(entry, now)
        self._note(entry, CLOCKS)

    def finish(
        self, id: str, over: Over, now: float, *, by: str | None = None, was: Record | None = None
    ) -> None:
        self.has_ended = True
        self._finish(id, over, now, by, was)

    def _finish(
        self, id: str, over: Over, now: float, by: str | None = None, was: Record | None = None
    ) -> None:
        row = self._rows[id]
        if row is None:
            raise KeyError(id)
        if over.reason != REGENERATED and self.keeps_ends:
            session = (was or row.without_data(over.at))._replace(now=over.at)
            self.ended.append(UntoldEnd(id, session, over.reason, by))
        row.data, row.has_data = Fields(), True
        row.user_id = row.sign_in = row.listed = None
        row.over, row.look = over, over.at + REASON_KEPT
        row.is_gone = row.look <= now  # nobody asked while it was told
        self._note(row, ALL)
        self.tell(id, Ended(over.reason, now - over.at))

    def deadline(self, entry: Row) -> tuple[float, str]:
        return deadline(entry.clocks, self._limits)

    def others(
        self, user_id: str, own: str, now: float, limit: int
    ) -> tuple[Sequence[tuple[float, float, str]], bool]:
        found = self.listed(user_id, 0.0, limit + 1)
        living = [
            (entry.clocks.active, place, id)
            for place, id in found[:limit]
            if id != own and (entry := self._rows[id]) is not None and self.deadline(entry)[0] > now
        ]
        return living, len(found) <= limit

    def tell(self, id: str, outcome: Live | Ended) -> None:
        self.told.append((id, outcome))

    # Writing.

    def look(self, row: Row | Damaged, now: float) -> None:
        """See to what is to be looked at: end it, forget it, or look again later."""
        if isinstance(row, Damaged):
            self._table.look_later(row, now + _FAR)  # it holds up no other until then
        elif row.over is not None:
            row.is_gone = row.look <= now
            self._note(row, ALL)
        elif self.deadline(row)[0] > now:
            row.look = self._look_at(row, now)
            self._note(row, LOOK)
        else:
            end, reason = self.deadline(row)
            self._finish(row.id, Over(reason, end), now)

    def write(self) -> None:
        """Write what was changed so far."""
        self._table.write(self._unwritten.values())
        for id, row in self._unwritten.items():
            if row.is_gone:
                self._rows[id] = None
        self._unwritten.clear()

    def _note(self, row: Row, what: int) -> None:
        row.unwritten |= what
        self._unwritten[row.id] = row

    def _look_at(self, row: Row, now: float) -> float:
        return min(self.deadline(row)[0], now + _FAR)

    def _watch(self, row: Row, now: float) -> None:
        """See to it that a session is looked at by its deadline, wherever that moved."""
        look = self._look_at(row, now)
        if look < row.look or row.look == 0.0:
            row.look = look
            self._note(row, LOOK)

    def _enlist(self, row: Row, *, anew: bool) -> None:
        """Have a session in its user's list, and in no other."""
        listed = row.listed
        if anew or (listed is not None and listed[0] != row.user_id):
            listed = None
        if listed is None and row.user_id is not None:
            listed = row.user_id, self._next_place()
        row.listed = listed

    def _next_place(self) -> int:
        """The place of whoever joins a list now: behind all that there are."""
        (place,) = self.connection.execute(
            "UPDATE spaces SET place = place + 1 WHERE space = ? RETURNING place", (self.space,)
        ).fetchone()
        return int(place)

    def last_place(self) -> float:
        """The place of whoever joined a list last."""
        (place,) = self.connection.execute(
            "SELECT place FROM spaces WHERE space = ?", (self.space,)
        ).fetchone()
        return float(place)
