"""A thread that ends with whoever has it, and that nobody waits for where the interpreter ends.

The standard library's pool of threads is waited for at exit, also one that hangs on a disk; and the
threads of aiosqlite go on until their connections are closed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, NamedTuple, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Job(NamedTuple):
    done: Future[Any]
    call: Callable[[], Any]


class Thread(Executor):
    """One thread, for calls one after another, from the first that it is given.

    It ends when it is shut down, or nobody has this any more.

    Args:
        name: the thread's.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._name = name
        self._has_begun = False
        self._end = weakref.finalize(self, self._jobs.put, None)
        self._end.atexit = False  # it is ended then

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        if not self._end.alive:
            raise RuntimeError("this thread was ended")
        if not self._has_begun:
            self._has_begun = True
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        done: Future[_T] = Future()
        self._jobs.put(_Job(done, lambda: fn(*args, **kwargs)))
        return done

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """End the thread, once it has done what it was given; it is not waited for."""
        self._end()


def _work(jobs: SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        if job.done.set_running_or_notify_cancel():
            try:
                answer = job.call()
            except BaseException as error:  # whoever waits gets it
                job.done.set_exception(error)
            else:
                job.done.set_result(answer)
        del job
