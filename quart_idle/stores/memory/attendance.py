"""Open pages of all workers, in this process."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Final

from ..attendance import (
    FOUND_LATE,
    GONE_KEPT,
    HELD_BACK,
    MOST_TAKEN_OFF,
    MOST_TOLD,
    STAND_IN,
    Counts,
    OpenPages,
    Report,
    Reported,
)

_NOBODY: Final = Reported()


@dataclass(slots=True)
class _Worker:
    lease_end: float
    number: int = 0
    answer: Reported = _NOBODY
    pages: dict[str, OpenPages] = field(default_factory=dict)


class Attendance:
    """Open pages, as `PresenceStore` has them."""

    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._sessions: Counter[str] = Counter()
        self._users: Counter[str] = Counter()
        # Users who have no page any more, and since when.
        self._gone: dict[str, float] = {}

    def report(self, report: Report, now: float) -> Reported | None:
        name, number, changes, lease, grace, tells = report
        self._take_off(now)
        worker = self._workers.get(name)
        known = 0 if worker is None or worker.lease_end <= now else worker.number
        if number not in (known, known + 1):
            self.forget(name, now)
            return None
        if worker is None:
            worker = self._workers[name] = _Worker(now)
        worker.lease_end = now + lease
        if number > known:
            worker.number = number
            offline = {} if STAND_IN in self._workers else self._take_gone(now - grace, tells)
            online = {}
            for id, pages in changes.items():
                online.update(dict.fromkeys(self._set(worker, id, pages, now), now))
            worker.answer = Reported(online, offline) if tells else _NOBODY
        return worker.answer._replace(due=self._due(now, grace if tells else inf))

    def forget(self, name: str, now: float) -> bool:
        if (worker := self._workers.get(name)) is not None:
            worker.lease_end = min(worker.lease_end, now)
            self._take_off(now)
        return name in self._workers

    def pages_of(self, id: str, now: float) -> int:
        self._take_off(now)
        return self._sessions[id]

    def is_online(self, user_id: str, grace: float, now: float) -> bool:
        self._take_off(now)
        return user_id in self._users or self._gone.get(user_id, -inf) > now - grace

    def count(self, grace: float, now: float) -> Counts:
        self._take_off(now)
        lately = sum(since > now - grace for since in self._gone.values())
        return Counts(len(self._users) + lately, len(self._sessions), self._sessions.total())

    def _set(self, worker: _Worker, id: str, pages: OpenPages, now: float) -> list[str]:
        """Take in what a worker has of a session; the user, if they came online by it."""
        was = worker.pages.pop(id, OpenPages(None, 0))
        if pages.pages:
            worker.pages[id] = pages
        _add(self._sessions, id, pages.pages - was.pages)
        came = []
        for user_id, more in ((pages.user_id, pages.pages), (was.user_id, -was.pages)):
            if user_id is None or not more:
                continue
            if more > 0 and user_id not in self._users and self._gone.pop(user_id, None) is None:
                came.append(user_id)
            _add(self._users, user_id, more)
            if user_id not in self._users:
                self._gone[user_id] = now
        return came

    def _take_off(self, now: float) -> None:
        """Take off some pages of workers whose lease is over."""
        left, late = MOST_TAKEN_OFF, False
        over = [name for name, worker in self._workers.items() if worker.lease_end <= now]
        for name in sorted(over, key=lambda name: self._workers[name].lease_end):
            worker = self._workers[name]
            for id in list(islice(worker.pages, left)):
                self._set(worker, id, OpenPages(None, 0), worker.lease_end)
                left -= 1
                late = late or now - worker.lease_end > FOUND_LATE
            if not worker.pages:
                del self._workers[name]
        if late:
            self._workers[STAND_IN] = _Worker(now + HELD_BACK)

    def _take_gone(self, until: float, tells: bool) -> dict[str, float]:
        """Users who went before a moment: they are told of, to one; or nobody cares to tell."""
        if not tells:
            until -= GONE_KEPT
        found = ((user, since) for user, since in self._gone.items() if since <= until)
        taken = dict(islice(found, MOST_TOLD))
        for user_id in taken:
            del self._gone[user_id]
        return taken

    def _due(self, now: float, grace: float) -> float:
        moments = [worker.lease_end for worker in self._workers.values()]
        if STAND_IN not in self._workers:
            moments += [since + grace for since in self._gone.values()]
        return max(0.0, min(moments) - now)


def _add(counter: Counter[str], name: str, more: int) -> None:
    counter[name] += more
    if counter[name] <= 0:
        del counter[name]
