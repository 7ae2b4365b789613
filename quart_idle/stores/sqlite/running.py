"""What a store has under way in one event loop: three threads, and three tasks."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Final

from ...exceptions import ConfigError, StoreUnavailable
from ...log import Outage
from ...policy import Limits
from ...tasks import end_tasks
from ..base import Ended, Listener, Live
from .database import DatabaseFile
from .hearing import Heard, Hearing
from .lane import Lane
from .opening import Opening
from .reading import Load, Read, Reader
from .sweep import Sweep
from .ticker import Ticker
from .upkeep import Upkeep
from .writing import Write, Writer

# How often it is looked whether other workers have done anything, in seconds.
_LISTEN: Final = 0.5


class Running:
    """The way to a file in one event loop, and what is done there beside what is asked for.

    Args:
        file: the file.
        tell: told of what happened to sessions, here and by other workers.
        wants_ends: whether ends are to be told; in any thread.
        limits: the clocks that count.
        prefix: the namespace in the file.
        timeout: how long a call may take, in seconds.
    """

    def __init__(
        self,
        file: DatabaseFile,
        tell: Listener,
        wants_ends: Callable[[], bool],
        limits: Limits,
        prefix: str,
        timeout: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.timeout = timeout
        worker = secrets.randbits(62)  # drawn here: processes that fork may share the store
        self.reader = Reader(file, prefix, limits)
        self.writer = Writer(file, prefix, limits, worker, self._tell_soon, wants_ends)
        self.reads: Lane[Load | Read] = Lane(
            self.reader.do, self.reader.opening.close, timeout, "quart-idle-reads"
        )
        self.writes: Lane[Write] = Lane(
            self.writer.do, self.writer.close, timeout, "quart-idle-writes"
        )
        self.hearing = Hearing(worker, timeout)
        self._tell_one = tell
        self._outage = Outage("hearing what other workers do, in SQLite,")
        self._ticker = ticker = Ticker(_LISTEN)
        sweep = Sweep(self.reads, self.writes, ticker)
        opening = Opening(file, prefix, writes=True)
        self._upkeep = Upkeep(file, opening, self.writes, self.writer, ticker)
        works = self._listen(), sweep.run(), self._upkeep.run()
        self._tasks = [self.loop.create_task(work) for work in works]

    async def begin(self) -> None:
        """Have the file open, for reads and writes, and hear."""
        await self.writes.ask(Write(lambda *_: None))
        await self._hear()

    async def close(self) -> None:
        """End all that."""
        await end_tasks(self._tasks)
        await asyncio.gather(self.reads.close(), self.writes.close(), self._upkeep.close())

    async def _listen(self) -> None:
        """Hear, until this is cancelled."""
        while True:
            more = False
            try:
                more = await self._hear()
                self._outage.answered()
            except (ConfigError, StoreUnavailable) as error:
                self._outage.failed(repr(error.__cause__ or error))
            except Exception as error:  # whatever it was, it is tried again
                self._outage.failed(repr(error), error)
            if not more:
                await self._ticker.wait()

    async def _hear(self) -> bool:
        """Tell of what others did; whether there is more."""
        since = monotonic()
        heard: Heard = await self.reads.ask(Read(self.hearing.listen))
        self._tell(self.hearing.heard(heard, since))
        return heard.more

    def _tell(self, told: Sequence[tuple[str, Live | Ended]]) -> None:
        for id, outcome in told:
            self._tell_one(id, outcome)

    def _tell_soon(self, told: Sequence[tuple[str, Live | Ended]]) -> None:
        """Tell of what was done here; in any thread."""
        with suppress(RuntimeError):  # the loop is gone, with whoever listened there
            self.loop.call_soon_threadsafe(self._tell, told)
