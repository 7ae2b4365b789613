"""A thread that ends with whoever has it, and that nobody waits for where the interpreter ends.

The standard library's pool of threads is waited for at exit, also one that hangs on a disk; and the
threads of aiosqlite go on until their connections are closed.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Final, ParamSpec, TypeVar

# How long one that ends is waited for, in seconds.
_GOODBYE: Final = 1.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Thread(Executor):
    """One thread, for calls one after another, from the first that it is given.

    It ends when it is shut down, or nobody has this any more.

    Args:
        name: the thread's.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._name = name
        self._has_begun = False
        self._end = weakref.finalize(self, self._jobs.put, None)
        self._end.atexit = False  # it is ended then

    def put(self, job: Callable[[], None]) -> None:
        """Have something done there that raises nothing.

        Raises:
            RuntimeError: the thread was ended, or the system has none to give now.
        """
        if not self._end.alive:
            raise RuntimeError("this thread was ended")
        if not self._has_begun:
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
            self._has_begun = True
        self._jobs.put(job)

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        done: Future[_T] = Future()

        def job() -> None:
            if done.set_running_or_notify_cancel():
                try:
                    answer = fn(*args, **kwargs)
                except BaseException as error:  # whoever waits gets it
                    done.set_exception(error)
                else:
                    done.set_result(answer)

        self.put(job)
        return done

    async def close(self, last: Callable[[], None]) -> None:
        """Have this done last, if anything was, and end; that is not waited for long."""
        if not self._has_begun:
            self.shutdown()
            return
        ending = asyncio.get_running_loop().run_in_executor(self, last)
        self.shutdown()
        await asyncio.wait([ending], timeout=_GOODBYE)

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the thread, once it has done what it was given; it is not waited for."""
        self._end()


def _work(jobs: SimpleQueue[Callable[[], None] | None]) -> None:
    while (job := jobs.get()) is not None:
        job()
        del job
