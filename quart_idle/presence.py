"""This worker's open pages: pinged, warned and sent away.

A page's socket is an ASGI callable in front of Quart's own handling of connections, so no hook of
the application's stands in its way, and an open page costs one coroutine. Nobody else waits for
it: pings go out from a wheel that turns once in a ping interval, signs of life go to `Renewals`,
and what needs an answer from the store gets a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from math import inf
from time import monotonic
from typing import Any, Final
from urllib.parse import parse_qs

from hypercorn.typing import (
    ASGIReceiveCallable,
    ASGISendCallable,
    WebsocketReceiveEvent,
    WebsocketScope,
    WWWScope,
)

from . import protocol
from .config import Settings
from .cookies import first_living, named_in
from .exceptions import FrameError, StoreUnavailable
from .origins import from_own_page
from .policy import Activity, Clocks, Left, Limits, deadline, renewed, time_left, timeout_of
from .renewals import Renewals
from .servers import decline_compression, stopping
from .stores.base import REGENERATED, Ended, Live, Record, ask

# Frames that a page may send between two pings.
_MOST_FRAMES: Final = 100
# How many pages of one session a worker holds open.
_MOST_PAGES: Final = 100
# Pings that a page may leave without an answer.
_MOST_UNANSWERED: Final = 2
# How often the wheel moves on, in seconds.
_TICK: Final = 0.05
# How many slots the wheel takes in one move, at most, if all but the last are empty.
_MOST_STEPS: Final = 10
# How many pages are sent away with each move of the wheel when the server stops.
_MOST_SENT_AWAY: Final = 200
# How long before a warning or an end its pages are asked once more, in seconds.
_LAST_CALL: Final = 1.0
# How many frames wait for a page to read, at most.
_MOST_WAITING: Final = 16
# How long a page may take to answer a close frame, in seconds; and where its connection is shared,
# since the frame may have to wait for downloads, and nothing is gained by the coroutine's end.
_PATIENCE: Final = 5.0
_PATIENCE_SHARED: Final = 60.0
# How long to wait after the store has failed, in seconds.
_RETRY: Final = 1.0
# The window over which pages are to come back: seconds for each page, at least, at most.
_RETURN: Final = (0.004, 1.0, 30.0)

_log = logging.getLogger("quart_idle")

#: What "stay signed in" is.
STAY: Final = Activity(seen=0.0, active=0.0, paged=True)
#: A page that is there, and no more.
SEEN: Final = Activity(seen=0.0, active=None, paged=True)


def why_not(scope: WWWScope, user_id: str | None, settings: Settings) -> str | None:
    """Why a page does not go on with a session: it was made for a user who does not have it."""
    tag = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("user")
    if tag is None or (user_id is not None and settings.tags.fits(tag[0], user_id)):
        return None
    # Nobody is not somebody else: who is about to sign in again may have a session for that.
    return "unknown" if user_id is None else protocol.SWITCHED


class Page:
    """One open page's socket."""

    __slots__ = (
        "accepted",
        "answering",
        "frames",
        "goodbye",
        "limit",
        "patience",
        "send",
        "sender",
        "slot",
        "unanswered",
        "waiting",
        "wants",
        "watch",
    )

    def __init__(self, watch: Watch, send: ASGISendCallable, slot: set[Page]) -> None:
        self.watch = watch
        self.send = send
        # What is to be sent, the first of it being under way, and the task that does it.
        self.waiting: tuple[dict[str, Any], ...] = ()
        self.sender: asyncio.Task[None] | None = None
        self.slot = slot
        # Ends the page's coroutine, wherever it waits, when it is given a time: so many seconds
        # after a goodbye.
        self.limit = asyncio.timeout(None)
        self.patience = _PATIENCE
        self.accepted = False
        self.goodbye: tuple[int, str] | None = None  # the close code and reason it was sent
        self.unanswered = 0
        self.frames = 0
        self.wants: protocol.Extend | protocol.Ask | None = None
        # Whether what the page wants is being answered. (The task would not tell: an eager one is
        # over before it can be assigned.)
        self.answering = False


class Watch:
    """A session with open pages here; times by this process's monotonic clock, in seconds."""

    __slots__ = (
        "clocks",
        "due",
        "id",
        "learned",
        "little",
        "offset",
        "pages",
        "probed",
        "stored",
        "timer",
        "warned",
    )

    def __init__(self, id: str) -> None:
        self.id = id
        self.pages: tuple[Page, ...] = ()  # at most `_MOST_PAGES`, the oldest first
        # What is known of the session, on the store's clock; that clock less this process's; and
        # the deadline as the store knows it, without the signs of life that are held back.
        self.clocks = Clocks(0.0, 0.0, 0.0)
        self.offset = 0.0
        self.stored = 0.0
        # When that was.
        self.learned = 0.0
        # What the deadline may move by without being written, in seconds.
        self.little = 0.0
        self.warned = False
        self.probed = False
        self.timer: asyncio.TimerHandle | None = None
        # When it goes off, by the loop's time: uvloop's handles do not all tell.
        self.due = 0.0

    def learn(self, live: Live | Record, unwritten: Clocks, limits: Limits) -> None:
        """Take in what the store says, and the clocks with what it does not know yet."""
        self.clocks = unwritten
        self.learned = monotonic()
        self.offset = live.now - self.learned
        self.stored = deadline(live.clocks, limits)[0] - self.offset
        self.little = min(timeout_of(unwritten, limits), limits.closed_timeout or inf) / 8

    def left(self, limits: Limits) -> Left:
        return time_left(self.clocks, limits, monotonic() + self.offset)

    def stored_left(self) -> float:
        return self.stored - monotonic()

    def moved(self, activity: Activity, limits: Limits) -> float:
        """Take in a sign of life; by how much the deadline is ahead of what the store knows."""
        self.clocks = renewed(self.clocks, activity, monotonic() + self.offset)
        return deadline(self.clocks, limits)[0] - self.offset - self.stored


async def _read_away(receive: ASGIReceiveCallable) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while (await receive())["type"] != "websocket.disconnect":
                pass


class Presence:
    """The open pages of one worker.

    Args:
        settings: the application's settings, with the store.
        renewals: where signs of life go.
        cookie_name: the session cookie's.
    """

    def __init__(self, settings: Settings, renewals: Renewals, cookie_name: str) -> None:
        self._settings = settings
        self._store = settings.store
        self._renewals = renewals
        self._cookie_name = cookie_name
        self._watches: dict[str, Watch] = {}
        self._pages = 0
        self._tasks: set[asyncio.Task[None]] = set()
        ticks = max(1, round(settings.ping_interval / _TICK))
        self._tick = settings.ping_interval / ticks
        self._slots: list[set[Page]] = [set() for _ in range(ticks)]
        self._hand = 0
        self._step = 1
        self._wheel: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_stopping: Callable[[], bool] = bool

    # A page's socket.

    async def socket(
        self, scope: WebsocketScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        if not from_own_page(scope, self._settings):
            # Before it is accepted, a socket that is closed is refused with 403.
            await send({"type": "websocket.close", "code": protocol.POLICY_VIOLATION, "reason": ""})
            return
        page = Page(Watch(""), send, set())
        try:
            id = await self.named(scope)
        except StoreUnavailable:
            page.goodbye = protocol.TRY_AGAIN, "the session store is not available"
        else:
            if id is None:
                page.goodbye = protocol.ENDED, "unknown"
            else:
                page = self._join(id, send)
        if scope.get("http_version") == "2":
            page.patience = _PATIENCE_SHARED
        try:
            async with page.limit:
                if page.goodbye is None:
                    await self._open(page, scope)
                decline_compression(send)
                await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
                page.accepted = True
                if page.goodbye is None:
                    self._greet(page)
                else:
                    self._say_goodbye(page, *page.goodbye)
                # To the end, also after a goodbye: hypercorn sees the other side's close frame only
                # when what came before it has been read.
                while (message := await receive())["type"] != "websocket.disconnect":
                    if message["type"] == "websocket.receive" and page.goodbye is None:
                        self._take(page, message)
            if page.goodbye is None and not page.unanswered:
                # The page was there until now.
                self._sign(page.watch, SEEN)
        except TimeoutError:
            # Hypercorn tells a socket's end to the queue that was read here, and waits until it
            # takes it: one that a flood has filled is to be read until then.
            self._spawn(_read_away(receive))
        finally:
            self._leave(page)
            if page.sender is not None:
                page.sender.cancel()

    async def _open(self, page: Page, scope: WebsocketScope) -> None:
        """Read the page's session. The page has joined: it hears of an end in the meantime."""
        try:
            found = await self.look(page.watch.id)
        except StoreUnavailable:
            self._close(page, protocol.TRY_AGAIN, "the session store is not available")
            return
        if not isinstance(found, Record):
            self._send_off(page, found)
        elif (reason := why_not(scope, found.user_id, self._settings)) is not None:
            self._close(page, protocol.ENDED, reason)
        elif page.goodbye is None:
            self.tell(page.watch.id, found)

    def _greet(self, page: Page) -> None:
        watch = page.watch
        self._sign(watch, SEEN)
        self._push(page, self._state(watch))
        if watch.warned:
            self._push(page, protocol.warn(watch.left(self._settings.limits)))

    def _take(self, page: Page, message: WebsocketReceiveEvent) -> None:
        """Take in a frame from a page. Nothing here waits."""
        page.frames += 1
        if page.frames > _MOST_FRAMES:
            self._close(page, protocol.POLICY_VIOLATION, "too many frames")
            return
        try:
            frame = protocol.parse(
                message.get("bytes") if message.get("text") is None else message["text"]
            )
        except FrameError as error:
            _log.debug("a page sent %s", error)
            self._close(page, error.code, error.why)
            return
        if isinstance(frame, protocol.Pong):
            page.unanswered = 0
            self._sign(page.watch, self.sign_of(frame))
        else:
            if page.wants is None or isinstance(frame, protocol.Extend):
                page.wants = frame
            if not page.answering:
                page.answering = True
                self._spawn(self._answer(page))

    def sign_of(self, pong: protocol.Pong) -> Activity:
        """What an answer from a page is worth: `QUART_IDLE_KEEPALIVE` says."""
        if self._settings.keepalive == "presence":
            return STAY
        return Activity(seen=0.0, active=pong.idle, paged=True)

    def _sign(self, watch: Watch, activity: Activity) -> None:
        """Note a sign of life; it is written only if it moves the deadline by much.

        Until then it is held back: what a worker that is killed takes with it is small beside the
        session's time, and an open page costs the store next to nothing. But where the store may
        have ended the session without this worker's hearing of it, writing is a way to ask.
        """
        paged = watch.clocks.paged
        little = watch.moved(activity, self._settings.limits) < watch.little
        hold = paged and little and self._store.hears(watch.learned)
        self._renewals.note(watch.id, activity, left=watch.stored_left(), hold=hold)

    async def _answer(self, page: Page) -> None:
        """Answer what the page wants; what it wants in the meantime is answered together."""
        watch = page.watch
        try:
            while page.wants is not None and page.goodbye is None:
                wants, page.wants = page.wants, None
                warned = watch.warned
                if isinstance(wants, protocol.Extend):
                    await self.renew(watch.id, STAY)
                else:
                    self.tell(watch.id, await self.look(watch.id))
                all_told = warned and not watch.warned
                if page.goodbye is None and not all_told:
                    self._push(page, self._state(watch))
        except StoreUnavailable:
            self._close(page, protocol.TRY_AGAIN, "the session store is not available")
        finally:
            page.answering = False

    def _join(self, id: str, send: ASGISendCallable) -> Page:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # a test client's earlier loop is gone, with its pages
            self._loop, self._wheel, self._pages, self._is_stopping = loop, None, 0, bool
            self._watches.clear()
            for slot in self._slots:
                slot.clear()
        if self._is_stopping is bool:
            self._is_stopping = stopping(send)
        watch = self._watches.get(id)
        if watch is None:
            watch = self._watches[id] = Watch(id)
        elif len(watch.pages) >= _MOST_PAGES:
            self._close(watch.pages[0], protocol.TRY_AGAIN, "too many pages of the session")
        page = Page(watch, send, random.choice(self._slots))  # noqa: S311  (no secret)
        watch.pages += (page,)
        page.slot.add(page)
        self._pages += 1
        if self._wheel is None:
            self._turn()
        return page

    def _leave(self, page: Page) -> None:
        """The page does not count any more; it may be told so still."""
        if page not in page.slot:
            return
        page.slot.discard(page)
        self._pages -= 1
        watch = page.watch
        watch.pages = tuple(other for other in watch.pages if other is not page)
        self._renewals.release(watch.id)
        if not watch.pages:
            if watch.timer is not None:
                watch.timer.cancel()
            if self._watches.get(watch.id) is watch:
                del self._watches[watch.id]

    def _close(self, page: Page, code: int, reason: str) -> None:
        """Send the page away; one that is not accepted yet is told when it is."""
        if page.goodbye is None:
            page.goodbye = code, reason
            self._leave(page)
            if page.accepted:
                self._say_goodbye(page, code, reason)

    def _say_goodbye(self, page: Page, code: int, reason: str) -> None:
        reason = protocol.close_reason(reason)
        page.waiting = page.waiting[:1]  # which is under way; the rest is of no account any more
        self._push(page, {"type": "websocket.close", "code": code, "reason": reason})
        # Until the page's own close frame has come: hypercorn cuts an HTTP/2 connection, with all
        # that is on its way there, when one comes for a socket whose coroutine has ended.
        with suppress(RuntimeError):  # it has ended already
            page.limit.reschedule(asyncio.get_running_loop().time() + page.patience)

    def _send_off(self, page: Page, ended: Ended | None) -> None:
        if ended is None:
            self._close(page, protocol.ENDED, "unknown")
        elif ended.superseded or (page.accepted and ended.reason == REGENERATED):
            # However late it hears of that: with the old cookie still, it is told at the door.
            self._close(page, protocol.TOKEN_CHANGED, ended.reason)
        else:
            self._close(page, protocol.ENDED, ended.reason)

    # Sending, without waiting for the reader.

    def _push(self, page: Page, message: str | dict[str, Any]) -> None:
        """Send a frame, behind what is being sent.

        In a task, though it is almost always over at once: there may be middleware between here and
        the server, with whatever asks for the current task in it, as a time-out does.
        """
        if isinstance(message, str):
            message = {"type": "websocket.send", "bytes": None, "text": message}
        begin = not page.waiting
        if len(page.waiting) < _MOST_WAITING:
            page.waiting += (message,)
        if begin:
            page.sender = asyncio.get_running_loop().create_task(self._send(page))

    async def _send(self, page: Page) -> None:
        try:
            while page.waiting:
                await page.send(page.waiting[0])  # type: ignore[arg-type]
                page.waiting = page.waiting[1:]
        except Exception as error:  # whatever a server says of a connection that is gone
            _log.debug("a page could not be sent to: %r", error)
            page.waiting = ()
        page.sender = None

    def _spawn(self, call: Any) -> None:
        task = asyncio.get_running_loop().create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # The wheel of pings.

    def _turn(self) -> None:
        """Ping the pages whose turn it is; if the server is about to stop, send some away."""
        self._wheel = None
        if is_stopping := self._is_stopping():
            everyone = (page for slot in self._slots for page in slot)
            for page in tuple(islice(everyone, _MOST_SENT_AWAY)):
                self._close(page, protocol.GOING_AWAY, "the server stops")
        for _ in range(self._step):
            for page in tuple(self._slots[self._hand]):
                self._ping(page)
            self._hand = (self._hand + 1) % len(self._slots)
        if self._pages:
            slots, most = len(self._slots), 1 if is_stopping else _MOST_STEPS
            self._step = 1
            while self._step < most and not self._slots[(self._hand + self._step - 1) % slots]:
                self._step += 1
            delay = self._step * self._tick
            self._wheel = asyncio.get_running_loop().call_later(delay, self._turn)

    def _ping(self, page: Page) -> None:
        if page.unanswered >= _MOST_UNANSWERED:
            # Where the end is near the page may still read that, though it counts no more.
            if page.watch.stored_left() > self._settings.ping_interval:
                self._close(page, protocol.GOING_AWAY, "two pings were not answered")
        elif page.accepted:
            page.unanswered += 1
            page.frames = 0
            left = page.watch.left(self._settings.limits).deadline
            self._push(page, protocol.ping(left, self._retry))

    @property
    def _retry(self) -> float:
        """The window over which this worker wants its pages back, in seconds."""
        each, least, most = _RETURN
        return max(least, min(most, each * self._pages))

    def _state(self, watch: Watch) -> str:
        left = watch.left(self._settings.limits)
        return protocol.state(left, self._warning(watch), self._settings.keepalive, self._retry)

    # Warnings and ends.

    def _warning(self, watch: Watch) -> float:
        """How long before the end the session's pages are warned; its own timeout may be short."""
        limits = self._settings.limits
        own = timeout_of(watch.clocks, limits)
        warning = limits.warning if limits.warning < own else own / 2
        # Open pages keep the closed timeout away, ping by ping: it is nothing to warn of.
        return min(warning, (limits.closed_timeout or inf) / 2)

    def tell(self, id: str, outcome: Live | Record | Ended | None) -> None:
        """Take in what the store said of a session; if it is over, its pages are sent away."""
        watch = self._watches.get(id)
        if watch is None:
            return
        if not isinstance(outcome, Live | Record):
            self._renewals.forget(id)
            for page in watch.pages:
                self._send_off(page, outcome)
            return
        self._learn(watch, outcome)
        if watch.warned and watch.stored_left() > self._warning(watch):
            watch.warned = False
            self._tell_pages(watch, self._state(watch))
        self._arm(watch)

    def _learn(self, watch: Watch, live: Live | Record) -> None:
        unwritten = self._renewals.renewed(watch.id, live.clocks, live.now)
        watch.learn(live, unwritten, self._settings.limits)

    def _tell_pages(self, watch: Watch, frame: str) -> None:
        for page in watch.pages:
            if page.accepted:
                self._push(page, frame)

    def _until_due(self, watch: Watch) -> float:
        """How long until something is to be done about a session, in seconds."""
        wait = watch.stored_left()
        if not watch.warned:
            wait -= self._warning(watch)
        if not watch.probed:
            wait -= min(_LAST_CALL, self._warning(watch) / 4)
        return max(0.0, wait)

    def _arm(self, watch: Watch) -> None:
        """See to it that `_due` is called in time. It may come early: it looks again."""
        loop = asyncio.get_running_loop()
        # A little late, so that it is due by every clock's reckoning: uvloop's has milliseconds.
        when = loop.time() + self._until_due(watch) + 0.002
        if watch.timer is not None:
            if watch.due <= when:
                return
            watch.timer.cancel()
        watch.due = when
        watch.timer = loop.call_at(when, self._due, watch)

    def _due(self, watch: Watch) -> None:
        watch.timer = None
        if self._until_due(watch) > 0.0:
            watch.probed = False
            self._arm(watch)
        elif not watch.probed:
            # Is anybody there? What the pages answer now is in time.
            watch.probed = True
            self._renewals.release(watch.id)
            for page in watch.pages:
                self._ping(page)
            self._arm(watch)
        else:
            self._spawn(self._settle(watch))

    async def _settle(self, watch: Watch) -> None:
        """Warn or end, if that is what the store says too."""
        self._renewals.release(watch.id)
        with suppress(StoreUnavailable):  # perhaps of other sessions
            await self._renewals.flush()
        outcome: Record | Ended | None = None
        known = False
        with suppress(StoreUnavailable):
            outcome = await self.look(watch.id)
            # Alive, it is to hear of the last signs of life before it is warned.
            known = not (isinstance(outcome, Record) and self._renewals.waits(watch.id))
        if not known:
            if watch.pages and watch.timer is None:
                loop = asyncio.get_running_loop()
                watch.due = loop.time() + _RETRY
                watch.timer = loop.call_at(watch.due, self._due, watch)
            return
        watch.probed = False
        if isinstance(outcome, Record):
            self._learn(watch, outcome)
            if not watch.warned and watch.stored_left() <= self._warning(watch):
                watch.warned = True
                self._tell_pages(watch, protocol.warn(watch.left(self._settings.limits)))
        self.tell(watch.id, outcome)

    # Asking the store.

    async def named(self, scope: WWWScope) -> str | None:
        """The id that counts of those that a request's cookies name; None where they name none.

        Raises:
            StoreUnavailable: there are several, and the store did not answer.
        """
        ids = named_in(scope, self._cookie_name)
        if len(ids) < 2:
            return next(iter(ids), None)
        return (await first_living(ids, self.look))[0]

    def left(self, id: str, live: Live | Record) -> Left:
        """What a session has left, by what the store says and what it does not know yet."""
        clocks = self._renewals.renewed(id, live.clocks, live.now)
        return time_left(clocks, self._settings.limits, live.now)

    async def look(self, id: str) -> Record | Ended | None:
        """What a session has left. Renews nothing.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        return await ask(self._store.load(id), self._settings.patience)

    async def renew(self, id: str, activity: Activity) -> Live | Ended | None:
        """Renew a session at once, and tell its pages.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        outcomes = await ask(self._store.renew({id: activity}), self._settings.patience)
        outcome = outcomes.get(id)
        self.tell(id, outcome)
        return outcome

    def close(self) -> None:
        """The worker stops: send its pages away, to come back to another."""
        for watch in tuple(self._watches.values()):
            for page in watch.pages:
                self._close(page, protocol.GOING_AWAY, "the server stops")
        if self._wheel is not None:
            self._wheel.cancel()
            self._wheel = None
