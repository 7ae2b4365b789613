"""What receivers of `quart_idle.signals` can rely on, with sessions in memory."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from quart import Quart, current_app, has_request_context, session
from quart.utils import run_sync

from quart_idle import QuartIdle, Session, SessionInfo, signals
from quart_idle.ends import MOST_TRIES
from quart_idle.quarts import current
from quart_idle.receivers import send
from quart_idle.stores.base import hidden_for
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import end, look, put, regenerate, sign_in
from tests.helpers.site import MakeSite, Site
from tests.helpers.sockets import open_page, open_socket

Events = list[tuple[str, dict[str, Any]]]


@contextmanager
def connected(receiver: Any, *names: str) -> Iterator[None]:
    """Have a receiver told of signals."""
    for name in names:
        getattr(signals, name).connect(receiver)
    try:
        yield
    finally:
        for name in names:
            getattr(signals, name).disconnect(receiver)
        if isinstance(receiver, Failing):
            receiver.stubborn = False


NAMES = ("session_created", "session_signed_in", "session_ended", "page_opened", "page_closed")


@pytest.fixture
def events() -> Iterator[Events]:
    """What receivers of all signals were told, in order."""
    told: Events = []
    receivers = []
    for name in NAMES:

        async def receiver(app: Any, name: str = name, **about: Any) -> None:
            assert app is current(current_app)
            assert not has_request_context()
            told.append((name, about))

        receivers.append(receiver)
        getattr(signals, name).connect(receiver)
    yield told
    for name, receiver in zip(NAMES, receivers, strict=True):
        getattr(signals, name).disconnect(receiver)


def ends(events: Events) -> list[dict[str, Any]]:
    return [about for name, about in events if name == "session_ended"]


async def id_of(browser: Any) -> str:
    return str((await browser.visit(lambda s: s.id)).value)


async def test_who_makes_a_session_and_signs_in_is_told_of_once_each(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    here = site(timeout=HOUR)
    browser = here.browser()
    await browser.visit(put(a=1))
    first = await id_of(browser)
    await clock.advance(MINUTE)
    await browser.visit(sign_in("ada"))
    second = await id_of(browser)
    await browser.visit(regenerate)
    await browser.visit(put(b=1))
    await clock.advance(5)
    told = [(name, about["session"].id, about["session"].user_id) for name, about in events]
    assert told == [
        ("session_created", first, None),
        ("session_signed_in", second, "ada"),
    ]
    info = events[1][1]["session"]
    assert isinstance(info, SessionInfo)
    assert info.authenticated_at is not None
    assert info.authenticated_at - info.created_at == pytest.approx(
        timedelta(seconds=MINUTE), abs=timedelta(seconds=2)
    )
    assert len({about["event_id"] for _, about in events}) == 2


async def test_a_session_that_begins_with_its_user_is_created_and_then_signed_in(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    await site(timeout=HOUR).signed_in("ada")
    await clock.advance(1)
    assert [name for name, _ in events] == ["session_created", "session_signed_in"]


async def test_a_session_that_is_over_at_once_is_told_of_all_the_same(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    here = site(timeout=HOUR)
    gate = here.store.hold("load")
    browser = await here.signed_in("ada")
    await gate.reached.wait()
    await browser.copy().visit(end())
    gate.open()
    await clock.advance(3)
    assert {name for name, _ in events} == {*NAMES[:3]}
    assert {about["session"].user_id for _, about in events} == {"ada"}


async def test_an_end_is_told_once_with_who_did_it_why_and_when(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    here = site(timeout=HOUR, max_sessions=3)
    own = await here.signed_in("ada")
    others = [await here.signed_in("ada") for _ in range(2)]
    ids = [await id_of(one) for one in (own, *others)]
    await own.visit(lambda _: here.idle.sessions.end(ids[1], "stolen"))
    await own.visit(lambda s: s.end_others())
    await own.visit(end())
    await clock.advance(3)
    found = {about["session"].id: (about["reason"], about["by"]) for about in ends(events)}
    assert found == {
        ids[1]: ("stolen", ids[0]),
        ids[2]: ("signed out everywhere", ids[0]),
        ids[0]: ("signed out", ids[0]),
    }
    assert len(ends(events)) == 3
    assert {about["session"].user_id for about in ends(events)} == {"ada"}
    now = datetime.fromtimestamp(clock(), UTC)
    for about in ends(events):
        assert now - about["session"].expires_at < timedelta(seconds=5), "when it ended"


async def test_a_limit_s_end_names_the_session_that_came(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    here = site(timeout=HOUR, max_sessions=1)
    first, second = [await here.signed_in("ada") for _ in range(2)]
    await clock.advance(2)
    (about,) = ends(events)
    assert (about["reason"], about["by"]) == ("limit", await id_of(second))
    assert first.token is not None


@pytest.mark.parametrize("out", [sign_in(None), lambda s: s.clear(), end()])
async def test_who_signs_out_and_leaves_no_data_is_told_of_by_name(
    site: MakeSite, clock: Clock, events: Events, out: Any
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    id = await id_of(browser)
    await browser.visit(out)
    await clock.advance(2)
    (about,) = ends(events)
    assert (about["session"].id, about["session"].user_id, about["by"]) == (id, "ada", id)
    assert about["reason"] == "signed out"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"timeout": MINUTE}, "idle"),
        ({"timeout": HOUR, "lifetime": MINUTE}, "lifetime"),
        ({"timeout": HOUR, "closed_timeout": MINUTE}, "closed"),
    ],
)
async def test_what_a_clock_ends_is_told_though_nobody_asks(
    site: MakeSite, clock: Clock, events: Events, options: dict[str, Any], reason: str
) -> None:
    here = site(**options)
    browser = await here.signed_in("ada")
    async with open_page(browser):
        pass
    await clock.advance(2 * MINUTE)
    (about,) = ends(events)
    assert (about["reason"], about["by"]) == (reason, None)


async def test_ends_from_outside_of_a_request_were_nobody_s(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    here = site(timeout=HOUR)
    await here.signed_in("ada")
    await here.idle.sessions.end_all("ada")
    await clock.advance(2)
    assert [about["by"] for about in ends(events)] == [None]


# Pages.


async def test_a_page_is_told_of_when_it_opens_and_when_it_leaves(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    await clock.advance(1)
    events.clear()
    async with open_page(browser):
        await clock.advance(1)
        assert [name for name, _ in events] == ["page_opened"]
    await clock.advance(1)
    (_, opened), (name, closed) = events
    assert (name, closed["reason"]) == ("page_closed", None)
    for about in opened, closed:
        assert about["session"].user_id == "ada"
    assert opened["event_id"] != closed["event_id"]
    assert "reason" not in opened


async def test_a_page_that_is_sent_away_is_told_of_with_the_reason(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    async with open_page(browser):
        await browser.visit(end("left"))
        await clock.advance(1)
    await clock.advance(1)
    (closed,) = [about for name, about in events if name == "page_closed"]
    assert closed["reason"] == "left"


async def test_a_page_without_a_session_is_not_told_of(
    site: MakeSite, clock: Clock, events: Events
) -> None:
    async with open_socket(site(timeout=HOUR).browser()):
        await clock.advance(1)
    assert events == []


# Receivers that fail.


async def signed_out(here: Site) -> str:
    browser = await here.signed_in("ada")
    id = await id_of(browser)
    await browser.visit(end())
    return id


class Failing:
    """Receivers of `session_ended` that fail in a way, each time or so many times."""

    def __init__(self, way: str, times: int = 1000) -> None:
        self.way, self.left = way, times
        self.stubborn = way == "cannot be cancelled"
        self.told: list[tuple[float, str]] = []

    async def __call__(self, _: Any, event_id: str, **_about: Any) -> None:
        self.told.append((time.monotonic(), event_id))
        self.left -= 1
        if self.left < 0:
            return
        if self.way == "raises":
            raise ValueError("broken")
        if self.way == "is cancelled":
            raise asyncio.CancelledError
        while True:
            try:
                await asyncio.sleep(10 * HOUR)
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise


WAYS = ["raises", "hangs", "is cancelled", "cannot be cancelled"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_receiver_that_fails_is_told_again_and_the_event_has_the_same_id(
    site: MakeSite, clock: Clock, events: Events, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(way, times=2)
    with connected(failing, "session_ended"):
        id = await signed_out(site(timeout=HOUR))
        await clock.advance(hidden_for(1) + hidden_for(2) + 5)
        assert [event_id for _, event_id in failing.told] == [f"{id}:session-ended"] * 3
        assert len(ends(events)) == 3, "whoever does not fail is told with it"
        assert "session-ended" in caplog.text
        assert "Failing" in caplog.text
        await clock.advance(HOUR)
        assert len(failing.told) == 3, "it has been told"


async def test_what_no_receiver_takes_is_given_up_and_the_log_says_so(
    site: MakeSite, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing("raises")
    with connected(failing, "session_ended"):
        id = await signed_out(site(timeout=HOUR))
        await clock.advance(24 * HOUR)
    assert len(failing.told) == MOST_TRIES == 10
    (line,) = [text for text in caplog.messages if "told no more" in text]
    assert id in line


@pytest.mark.parametrize("way", WAYS)
async def test_a_receiver_that_fails_holds_up_nobody(
    site: MakeSite, clock: Clock, way: str
) -> None:
    here = site(timeout=HOUR)
    failing = Failing(way)
    names = ("session_created", "session_signed_in", "session_ended", "page_opened")
    async with here.app.test_app():
        with connected(failing, *names):
            for _ in range(3):
                since = clock()
                browser = await here.signed_in("ada")
                async with open_page(browser):
                    assert (await browser.visit(look)).status == 200
                await browser.visit(end())
                assert clock() - since < 1
            await clock.advance(5)
            assert len(failing.told) > 3
            since = clock()
            await here.app.shutdown()
            assert clock() - since < 5, "the application stops in time"


async def test_a_function_that_blocks_for_ever_holds_up_nobody() -> None:
    release, began = threading.Event(), threading.Event()

    def blocks(_: Any, **_about: Any) -> None:
        began.set()
        release.wait()

    app = Quart("tests")
    QuartIdle(app)

    @app.get("/")
    async def index() -> str:
        cast(Session, session).user_id = "ada"
        return str(await run_sync(lambda: "here")())

    try:
        with connected(blocks, "session_created", "session_signed_in"):
            async with app.test_app():
                for _ in range(40):  # more than there are threads for
                    response = await app.test_client().get("/")
                    assert await response.get_data(as_text=True) == "here"
                await asyncio.to_thread(began.wait, 10)
                since = time.monotonic()
                await app.shutdown()
                assert time.monotonic() - since < 5
    finally:
        release.set()


async def test_a_plain_function_is_a_receiver_too(site: MakeSite, clock: Clock) -> None:
    told: list[str] = []

    def receiver(_: Any, session: SessionInfo, **about: Any) -> None:
        told.append(f"{session.user_id} {about['reason']} {current_app.name}")

    with connected(receiver, "session_ended"):
        await signed_out(site(timeout=HOUR))
        await clock.advance(2)
    assert told == ["ada signed out tests"]


async def test_a_function_that_blocks_silences_no_other(caplog: pytest.LogCaptureFixture) -> None:
    release = threading.Event()
    told: list[str] = []

    class Blocking:
        def receiver(self, _: Any, **_about: Any) -> None:
            release.wait()

    def healthy(_: Any, event_id: str, **_about: Any) -> None:
        told.append(event_id)

    app, blocking = Quart("tests"), Blocking()
    try:
        with connected(blocking.receiver, "session_created"), connected(healthy, "session_created"):
            sent = [
                asyncio.ensure_future(send(app, signals.session_created, event_id=str(number)))
                for number in range(50)  # more than there are threads for
            ]
            async with asyncio.timeout(5):
                while len(told) < 50:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    finally:
        release.set()
    assert sum(await asyncio.gather(*sent)) == 16
    assert "calls of it are running still" in caplog.text


@pytest.mark.parametrize("error", [SystemExit("no"), KeyboardInterrupt(), StopIteration("no")])
async def test_a_function_that_gives_up_more_than_itself_ends_no_worker_and_is_in_the_log(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    def receiver(_: Any, **_about: Any) -> None:
        raise error

    since = time.monotonic()
    with connected(receiver, "session_created"):
        assert not await send(Quart("tests"), signals.session_created)
    assert time.monotonic() - since < 5
    assert type(error).__name__ in caplog.text


async def test_ends_of_the_last_second_are_told_as_the_application_stops(
    site: MakeSite, events: Events
) -> None:
    here = site(timeout=HOUR)
    async with here.app.test_app():
        await signed_out(here)
    assert len(ends(events)) == 1


async def test_more_ends_at_once_than_are_told_at_a_time_are_told_without_a_pause(
    site: MakeSite, clock: Clock, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart_idle.ends._MOST", 100)
    here = site(timeout=HOUR)
    for _ in range(250):
        await here.signed_in("ada")
    await clock.advance(2)
    await here.idle.sessions.end_all("ada")
    await clock.advance(1.5)
    assert len({about["event_id"] for about in ends(events)}) == len(ends(events)) == 250


async def test_one_application_s_receivers_are_told_of_its_sessions_alone(
    site: MakeSite, clock: Clock
) -> None:
    one, other = site(timeout=HOUR), site(timeout=HOUR)
    told: list[Any] = []

    async def receiver(app: Any, **_about: Any) -> None:
        told.append(app)

    signals.session_ended.connect(receiver, sender=one.app)
    try:
        for here in (one, other):
            await signed_out(here)
        await clock.advance(5)
    finally:
        signals.session_ended.disconnect(receiver)
    assert told == [one.app]


# Nothing connected.


async def test_where_nothing_is_connected_the_store_is_asked_for_nothing_more(
    site: MakeSite, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "quart_idle.events")
    here = site(timeout=MINUTE)
    async with here.app.test_app():
        browser = await here.signed_in("ada")
        async with open_page(browser):
            await clock.advance(1)
        await clock.advance(5 * MINUTE)
        calls = set(here.store.calls)
    assert not calls & {"take_ends", "ends_told"}
    assert here.store._inner._sessions.outbox._ends == {}  # type: ignore[attr-defined]


# The log.


async def test_the_log_is_told_in_the_words_of_owasp_s_vocabulary_without_tokens_or_data(
    site: MakeSite, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    here = site(timeout=HOUR)
    with caplog.at_level(logging.INFO, "quart_idle"):
        browser = await here.signed_in("ada\nforged", secret="hunter2")  # noqa: S106
        token, id = browser.token, await id_of(browser)
        await browser.copy().visit(end("left\nforged"))
        await clock.advance(2)
        await browser.visit(look)
    assert [record.getMessage() for record in caplog.records] == [
        "session_created:ada\\nforged",
        "authn_login_success:ada\\nforged",
        "session_expired:ada\\nforged,left\\nforged",
        f"session_use_after_expire:-,{id}",
    ]
    assert {record.levelname for record in caplog.records} == {"INFO"}
    assert token is not None
    assert token not in caplog.text
    assert "hunter2" not in caplog.text


async def test_the_log_is_told_of_an_end_once_though_the_answer_with_it_was_lost(
    site: MakeSite, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    here = site(timeout=HOUR)
    with caplog.at_level(logging.INFO, "quart_idle.events"):
        browser = await here.signed_in("ada")
        await browser.visit(end())
        gate = here.store.hold("take_ends", after=True)
        await gate.reached.wait()
        await clock.advance(2 * MINUTE)
    assert [text for text in caplog.messages if "session_expired" in text] == [
        "session_expired:ada,signed out"
    ]


async def test_no_user_or_reason_can_forge_another_or_nobody_in_the_log(
    site: MakeSite, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    here = site(timeout=HOUR)
    with caplog.at_level(logging.INFO, "quart_idle.events"):
        for name in ("root,limit", "-"):
            browser = await here.signed_in(name)
            await browser.visit(end("a,b"))
            await clock.advance(2)
    assert [text for text in caplog.messages if "session_expired" in text] == [
        r"session_expired:root\x2climit,a\x2cb",
        r"session_expired:\x2d,a\x2cb",
    ]


async def test_that_ends_were_dropped_is_an_error_once_a_minute(
    site: MakeSite, clock: Clock, caplog: pytest.LogCaptureFixture, events: Events
) -> None:
    here = site(timeout=HOUR)
    await signed_out(here)
    for _ in range(30):
        here.store._inner._sessions.outbox._lost = True  # type: ignore[attr-defined]
        await clock.advance(1)
    assert len(ends(events)) == 1
    assert len([text for text in caplog.messages if "some were dropped" in text]) == 1


async def test_no_session_is_ended_by_the_reason_of_a_change_of_token(site: MakeSite) -> None:
    here = site(timeout=HOUR)
    browser = await here.signed_in("ada")
    with pytest.raises(ValueError, match="regenerated"):
        await here.idle.sessions.end(await id_of(browser), "regenerated")

    def do(session: Session) -> None:
        with pytest.raises(ValueError, match="regenerated"):
            session.end("regenerated")

    await browser.visit(do)
    assert (await browser.visit(lambda s: s.user_id)).value == "ada"
