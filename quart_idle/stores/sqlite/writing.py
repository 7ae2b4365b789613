"""Writing: what was asked for in one turn of the loop, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...exceptions import TooManySessions
from ...policy import Limits
from ..base import Ended, Live
from ..changing import SomeEnded
from .book import Book
from .database import DatabaseFile
from .ends import put_out
from .hearing import tell_others
from .lane import Asked
from .opening import Opening

#: Told of what happened to which sessions; in any thread.
Tell = Callable[[Sequence[tuple[str, Live | Ended]]], None]


@dataclass(slots=True, eq=False)
class Write(Asked):
    """What is to be done in a transaction."""

    #: Does it, and gives the answer; or raises before it has changed anything.
    work: Callable[[Book, float], Any]
    #: Sessions that it works on.
    ids: Collection[str] = field(default=(), kw_only=True)
    #: Whether it reads of a session what it holds.
    needs_data: bool = field(default=True, kw_only=True)
    #: Whether it is answered only when it outlasts a power cut, even if it ends nothing.
    lasts: bool = field(default=False, kw_only=True)


class Writer:
    """What the thread does that writes.

    Args:
        file: the file.
        prefix: the namespace in it.
        limits: the clocks that count.
        worker: this store's own number, by which it knows what it did itself.
        tell: told of what happened, once it has.
        wants_ends: whether ends are to be told; asked in each transaction, in this thread.
    """

    def __init__(
        self,
        file: DatabaseFile,
        prefix: str,
        limits: Limits,
        worker: int,
        tell: Tell,
        wants_ends: Callable[[], bool],
    ) -> None:
        self.opening = Opening(file, prefix, writes=True)
        self._file = file
        self._limits = limits
        self._worker = worker
        self._tell = tell
        self._wants_ends = wants_ends
        #: Whether something was written that may be lost in a power cut.
        self.is_unsynced = False
        #: How many rows were written so far; read in other threads.
        self.rows = 0

    def do(self, batch: Sequence[Write]) -> Sequence[Any]:
        """Do it all, in one transaction; an answer, or an error, for each."""
        try:
            return self._do(batch)
        except sqlite3.OperationalError as error:
            return [self.opening.failed(error)] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                return [self.opening.failed(error)]
        # One of them is at fault, and the others are not to fail for it.
        half = len(batch) // 2
        return [*self.do(batch[:half]), *self.do(batch[half:])]

    def _do(self, batch: Sequence[Write]) -> Sequence[Any]:
        connection, space = self.opening.connection(), self.opening.space()
        before = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        try:
            now = self._file.now()
            book = Book(connection, space, self._limits, keeps_ends=self._wants_ends())
            # Others may have written for long, and whoever waited have left.
            wanted = [write.is_wanted for write in batch]
            for with_data in (True, False):
                book.fetch(
                    [
                        id
                        for write, is_wanted in zip(batch, wanted, strict=True)
                        if is_wanted and write.needs_data is with_data
                        for id in write.ids
                    ],
                    with_data=with_data,
                )
            answers = [
                _answer(write, book, now) if is_wanted else _Answer(None)
                for write, is_wanted in zip(batch, wanted, strict=True)
            ]
            book.write()
            put_out(connection, space, book.ended, now)
            tell_others(connection, space, self._worker, book.told, now)
            self._file.note(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise
        self.is_unsynced = True
        self.rows += connection.total_changes - before
        if book.told:
            self._tell(book.told)
        failure = self._sync_for(answers)
        return [failure if failure and answer.lasts else answer.answer for answer in answers]

    def _sync_for(self, answers: Sequence[_Answer]) -> Exception | None:
        """Sync if some of these wait for it; why it failed: what was committed stays so."""
        if any(answer.lasts for answer in answers):
            try:
                self.sync()
            except Exception as error:
                return self.opening.failed(error)
        return None

    def sync(self) -> None:
        """Have what was written outlast a power cut; in any thread."""
        self.is_unsynced = False  # before: what is written meanwhile may be too late for this
        try:
            self._file.sync()
        except BaseException:
            self.is_unsynced = True
            raise

    def close(self) -> None:
        """Have what was written outlast a power cut, and close the file."""
        if self.is_unsynced:
            with suppress(OSError):
                self.sync()
        self.opening.close()


class _Answer(NamedTuple):
    answer: Any
    #: Whether it is given only when what was done outlasts a power cut.
    lasts: bool = False


def _answer(write: Write, book: Book, now: float) -> _Answer:
    """What is answered, be it an error of the call's own."""
    book.needs_data, book.has_ended = write.needs_data, False
    try:
        answer = write.work(book, now)
    except (TooManySessions, SomeEnded) as told:  # nothing of it has been done
        answer = told
    return _Answer(answer, write.lasts or book.has_ended)
