"""What the instant tests share: time that passes at once, a store to tamper with, a browser."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from selectors import BaseSelector
from typing import Any, Unpack, cast

import pytest
import quart
from quart import Blueprint, Quart, Response, request, websocket
from werkzeug.datastructures import Headers

from quart_idle import MemoryStore, Options, QuartIdle, Session, Store
from quart_idle.policy import Activity, Clocks, Limits
from quart_idle.stores.base import Change, Changed, Ended, Listener, Live, Record

session = cast(Session, quart.session)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class TooLong(AssertionError):
    """A test does not end."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Have what takes longer than this fail, whatever it does; in the main thread only."""

    def stop(*_: Any) -> None:
        raise TooLong(f"this took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again: a task or callback that is not the test's may be what is struck.
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, left, 1.0 if left else 0.0)
        signal.signal(signal.SIGALRM, before)


class Clock:
    """Time that passes at once: an event loop that would wait finds that it has waited.

    The same time is the stores', the package's and the loop's, so timers go off in their order.
    """

    EPOCH = 1_800_000_000.0

    def __init__(self, limit: float = 120.0) -> None:
        self._now = 1000.0
        self._in_threads: set[asyncio.Future[Any]] = set()
        # When a test that still runs is taken for one that never ends, by the system's time.
        self._limit = time.monotonic() + limit

    def __call__(self) -> float:
        """Seconds since the epoch, for a store."""
        return self.EPOCH + self._now

    def monotonic(self) -> float:
        return self._now

    async def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        await asyncio.sleep(seconds)

    def rule(self, loop: Any, patch: pytest.MonkeyPatch) -> None:
        """Take the place of a loop's time, and of the package's."""
        selector: BaseSelector = loop._selector
        select, run_in_executor = selector.select, loop.run_in_executor

        def jump(timeout: float | None = None) -> Any:
            left = self._limit - time.monotonic()
            events = select(max(0.0, left)) if timeout is None else ()
            if left <= 0 or (timeout is None and not events):
                self._limit = time.monotonic() + 10  # for what tidies up
                raise TooLong("time passes at once, and the test does not end: it waits for ever")
            if timeout is None:
                return events
            if timeout <= 0:
                return select(timeout)
            events = select(None if self._in_threads else 0)
            if not events:
                self._now += timeout
            return events

        def run(*arguments: Any) -> asyncio.Future[Any]:
            future: asyncio.Future[Any] = run_in_executor(*arguments)
            self._in_threads.add(future)
            future.add_done_callback(self._in_threads.discard)
            return future

        patch.setattr(selector, "select", jump)
        patch.setattr(loop, "time", self.monotonic)
        patch.setattr(loop, "run_in_executor", run)
        for name, module in tuple(sys.modules.items()):
            if name.startswith("quart_idle."):
                for attribute, value in tuple(vars(module).items()):
                    if value is time.monotonic:
                        patch.setattr(module, attribute, self.monotonic)


def make_tasks_eager(loop: asyncio.AbstractEventLoop) -> None:
    """Have tasks begin where they are made, and end there if they need not wait (Python 3.12)."""
    factory: Any = getattr(asyncio, "eager_task_factory")  # noqa: B009  (3.11 has none)
    loop.set_task_factory(factory)


@dataclass
class Gate:
    """Where a store's call is held."""

    after: bool
    late: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def passed(self) -> None:
        self.reached.set()
        await self.opened.wait()

    def open(self) -> None:
        self.opened.set()


class Tampered:
    """A store whose calls are counted, and can be held at a gate or made to fail."""

    timely = False

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self._gates: dict[str, Gate] = {}
        self.calls: list[str] = []
        self.fault: Exception | None = None
        #: Sessions that a part of the store has which fails; renewals notice.
        self.lost: set[str] = set()
        #: Whether what happens to sessions is not heard, as of another worker.
        self.deaf = False

    def hold(self, name: str, *, after: bool = False, late: bool = False) -> Gate:
        """Hold the next call of this name, before or after the store has handled it.

        A late one is handled when it is let go, though the caller may have given up long ago.
        """
        gate = self._gates[name] = Gate(after, late)
        return gate

    async def _pass(self, name: str, *arguments: Any) -> Any:
        self.calls.append(name)
        if self.fault is not None:
            raise type(self.fault)(*self.fault.args)  # its traceback would grow and grow
        gate = self._gates.pop(name, None)
        call = self._pass_gate(gate, name, *arguments)
        if gate is not None and gate.late:
            return await asyncio.shield(asyncio.ensure_future(call))
        return await call

    async def _pass_gate(self, gate: Gate | None, name: str, *arguments: Any) -> Any:
        if gate is not None and not gate.after:
            await gate.passed()
        answer = await getattr(self._inner, name)(*arguments)
        if gate is not None and gate.after:
            await gate.passed()
        return answer

    def bind(
        self, limits: Limits, listener: Listener, prefix: str = "", timeout: float = 0.0
    ) -> None:
        def told(id: str, outcome: Live | Ended) -> None:
            if not self.deaf:
                listener(id, outcome)

        self._inner.bind(limits, told, prefix, timeout)

    def hears(self, since: float) -> bool:
        return not self.deaf and self._inner.hears(since)

    async def open(self) -> None:
        await self._pass("open")

    async def load(self, id: str) -> Record | Ended | None:
        return cast("Record | Ended | None", await self._pass("load", id))

    async def create(self, id: str, change: Change) -> Clocks:
        return cast(Clocks, await self._pass("create", id, change))

    async def save(self, id: str, change: Change) -> Changed | None:
        return cast("Changed | None", await self._pass("save", id, change))

    async def regenerate(self, id: str, new_id: str, change: Change) -> Changed | None:
        return cast("Changed | None", await self._pass("regenerate", id, new_id, change))

    async def end(self, id: str, reason: str) -> str | None:
        return cast("str | None", await self._pass("end", id, reason))

    async def renew(self, activities: Mapping[str, Activity]) -> Mapping[str, Live | Ended | None]:
        here = {id: activity for id, activity in activities.items() if id not in self.lost}
        answer = await self._pass("renew", here)
        return cast("Mapping[str, Live | Ended | None]", answer)

    async def close(self) -> None:
        await self._pass("close")

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        await self._pass("keep_draft", box, name, draft)

    async def drafts(self, box: str) -> Mapping[str, tuple[bytes, float]]:
        return cast("Mapping[str, tuple[bytes, float]]", await self._pass("drafts", box))

    async def drop_draft(self, box: str, name: str) -> None:
        await self._pass("drop_draft", box, name)


@dataclass
class Answer:
    """What came of a request: the response, and what the view's code returned."""

    response: Response
    value: Any

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> Headers:
        return self.response.headers

    @property
    def cookie(self) -> dict[str, str] | None:
        """The cookie that it sets: name, value and attributes, in lower case."""
        text = self.headers.get("Set-Cookie")
        if text is None:
            return None
        (name, value), *rest = (part.strip().split("=", 1) for part in text.split(";"))
        return {"name": name, "value": value} | {
            key.lower(): "".join(values) for key, *values in rest
        }


Do = Callable[[Session], Any]


class Browser:
    """A user's browser. Each request carries the code that the view runs, with the session."""

    def __init__(self, app: Quart, token: str | None = None) -> None:
        self.app = app
        self.client = app.test_client()
        if token is not None:
            self.client.set_cookie("localhost", "session", token)

    @property
    def token(self) -> str | None:
        jar = self.client.cookie_jar or ()
        return next((item.value for item in jar if item.name == "session"), None)

    def copy(self) -> Browser:
        """Another request of the same browser, with the cookie that it has now."""
        return Browser(self.app, self.token)

    async def visit(self, do: Do | None = None, path: str = "/", **options: Any) -> Answer:
        values: list[Any] = []
        scope = {"do": do, "values": values}
        response = await self.client.open(path, scope_base=scope, **options)
        return Answer(response, values[0] if values else None)

    async def leave(self, do: Do, gate: Gate) -> None:
        """A request whose client is gone when the gate is reached."""
        async with self.client.request("/", scope_base={"do": do}) as connection:
            await connection.send_complete()
            await gate.reached.wait()
            await connection.disconnect()

    def start(self, do: Do | None = None, path: str = "/", **options: Any) -> asyncio.Task[Answer]:
        return asyncio.get_running_loop().create_task(self.visit(do, path, **options))


async def _do() -> Any:
    scope: Any = (request or websocket).scope
    done = scope["do"](session) if scope.get("do") else None
    value = await done if isawaitable(done) else done
    scope.get("values", []).append(value)
    return value if isinstance(value, Response) else ""


@dataclass
class Site:
    """An application of the test's own; its store can be tampered with."""

    app: Quart
    idle: QuartIdle
    store: Tampered
    clock: Clock

    def browser(self, token: str | None = None) -> Browser:
        return Browser(self.app, token)

    async def signed_in(self, user: str = "ada", **data: Any) -> Browser:
        """A browser whose session exists."""
        browser = self.browser()
        await browser.visit(sign_in(user, **data))
        self.store.calls.clear()
        return browser


def make_site(
    clock: Clock, *, config: dict[str, Any] | None = None, **options: Unpack[Options]
) -> Site:
    """An application with views for `Browser.visit`: active, passive and a socket."""
    app = Quart("tests")
    app.config.update(config or {})
    store = options["store"] = Tampered(MemoryStore(clock))
    options.setdefault("store_timeout", 30)
    idle = QuartIdle(app, **options)

    blueprint = Blueprint("below", "tests", url_prefix="/blueprint")
    app.route("/", methods=["GET", "POST"])(_do)
    app.get("/passive/above")(idle.passive(_view("above")))
    idle.passive(app.get("/passive/below")(_view("below")))
    blueprint.get("/passive")(idle.passive(_view("passive")))
    blueprint.get("/active")(_view("active"))
    app.register_blueprint(blueprint)
    app.websocket("/socket")(_socket)
    return Site(app, idle, store, clock)


async def _socket() -> None:
    await websocket.accept()
    await _do()


def _view(name: str) -> Callable[[], Awaitable[Any]]:
    async def view() -> Any:
        return await _do()

    view.__name__ = name
    return view


def look(session: Session) -> dict[str, Any]:
    """What the session holds."""
    return dict(session)


def put(**data: Any) -> Do:
    """Set this."""
    return lambda session: session.update(data)


def sign_in(user: str | None = "ada", **data: Any) -> Do:
    """Sign a user in, without a change of anything else."""

    def do(session: Session) -> None:
        session.user_id = user
        session.update(data)

    return do


def end(reason: str = "signed out") -> Do:
    return lambda session: session.end(reason)


def regenerate(session: Session) -> None:
    session.regenerate()


def why(session: Session) -> str | None:
    """Why the session is over."""
    return session.ended
