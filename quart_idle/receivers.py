"""Receivers of signals: each is called by itself, so that none is in another's way, or anybody's.

(blinker's `send_async` calls one after the other, and the first that raises or hangs is the last.)
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Executor, Future
from contextvars import Context, copy_context
from functools import partial
from inspect import isawaitable, iscoroutinefunction, ismethod
from threading import Lock, Thread
from typing import Any, Final, ParamSpec, TypeVar

from blinker import NamedSignal
from quart import Quart

#: How long a receiver may take, in seconds.
PATIENCE: Final = 10.0

# How often a receiver that is no coroutine runs at a time: one that blocks is in no other's way.
_MOST_THREADS: Final = 16

_P = ParamSpec("_P")
_T = TypeVar("_T")
_log = logging.getLogger("quart_idle")


# How many threads each receiver has, by what blinker knows it by; whoever has none is not in it.
_threads: Final = Counter[Hashable]()
_lock: Final = Lock()


class _Threads(Executor):
    """A receiver's threads, which the end of the process does not wait for: it may hang.

    Args:
        receiver: it.
    """

    def __init__(self, receiver: Callable[..., Any]) -> None:
        # (A method is another object each time that it is asked for.)
        self._key: Hashable = (
            (id(receiver.__func__), id(receiver.__self__)) if ismethod(receiver) else id(receiver)
        )

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        future: Future[_T] = Future()
        with _lock:
            if _threads[self._key] >= _MOST_THREADS:
                future.set_exception(RuntimeError(f"{_MOST_THREADS} calls of it are running still"))
                return future
            _threads[self._key] += 1

        def run() -> None:
            try:
                if future.set_running_or_notify_cancel():
                    future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                if isinstance(error, Exception) and not isinstance(error, StopIteration):
                    future.set_exception(error)
                else:  # of a loop it would be the end; and a future does not take a StopIteration
                    wrapped = RuntimeError(f"it raised {error!r}")
                    wrapped.__cause__ = error
                    future.set_exception(wrapped)
            finally:
                self._leave()

        try:
            Thread(target=run, name="quart-idle-receiver", daemon=True).start()
        except BaseException:
            self._leave()
            raise
        return future

    def _leave(self) -> None:
        with _lock:
            _threads[self._key] -= 1
            if not _threads[self._key]:
                del _threads[self._key]


async def send(app: Quart, signal: NamedSignal, **about: Any) -> bool:
    """Call all receivers of a signal at once; whether each of them returned.

    What a receiver raises is in the log. One that is not done in time is cancelled, and is not
    waited for.
    """
    loop = asyncio.get_running_loop()
    # In a context of their own: whatever request is under way, they are not a part of it.
    tasks = {
        loop.create_task(_call(app, receiver, about), context=Context()): receiver
        for receiver in list(signal.receivers_for(app))
    }
    if not tasks or signal.is_muted:
        return True
    succeeded = True
    try:
        await asyncio.wait(tasks, timeout=PATIENCE)
        for task, receiver in tasks.items():
            if not task.done():
                why: object = f"it was not done in {PATIENCE:g} s"
                error = None
            elif task.cancelled():
                why, error = "it was cancelled", None
            elif (error := task.exception()) is not None:
                why = repr(error)
            else:
                continue
            succeeded = False
            name = getattr(receiver, "__qualname__", type(receiver).__qualname__)
            _log.error("a receiver of %s, %s, failed: %s", signal.name, name, why, exc_info=error)
    finally:
        for task in tasks:
            task.add_done_callback(_seen)
            task.cancel()
    return succeeded


async def _call(app: Quart, receiver: Callable[..., Any], about: dict[str, Any]) -> None:
    async with app.app_context():
        if iscoroutinefunction(receiver):
            await receiver(app, **about)
        else:
            call = partial(copy_context().run, receiver, app, **about)
            made = await asyncio.get_running_loop().run_in_executor(_Threads(receiver), call)
            if isawaitable(made):  # an object's `__call__` may be a coroutine
                await made


def _seen(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()  # the log has it
