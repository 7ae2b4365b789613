"""What reports of errors, which people and services read, show of sessions: nothing."""

from __future__ import annotations

import re
import traceback
from hashlib import sha256
from typing import Any, cast

import pytest
from quart import Quart, render_template_string, session

from quart_idle import QuartIdle, Session, SessionTooLarge, StoreUnavailable
from tests.helpers.handlers import put, regenerate
from tests.helpers.site import Browser, MakeSite

HIDDEN = "hunter2"


def shown(error: BaseException) -> str:
    """An error as services for errors show it, with the variables of each frame."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(found.format())


class Unholdable:
    def __repr__(self) -> str:
        return HIDDEN


def set_more(session: Session) -> None:
    session["more"] = HIDDEN


def change_in_place(session: Session) -> None:
    session["list"].append(HIDDEN)


def change_into_what_cannot_be_held(session: Session) -> None:
    session["list"].append(Unholdable())


def set_too_much(session: Session) -> None:
    session["much"] = HIDDEN * 100_000


def sign_in_again(session: Session) -> None:
    session.user_id = HIDDEN
    session["more"] = HIDDEN


@pytest.mark.parametrize("fault", [OSError("away"), KeyError("a bug of the store's")])
@pytest.mark.parametrize(
    "change",
    [
        set_more,
        change_in_place,
        change_into_what_cannot_be_held,
        set_too_much,
        sign_in_again,
        regenerate,
    ],
)
async def test_a_failing_save_s_traceback_shows_no_token_and_no_value(
    site: MakeSite, caplog: pytest.LogCaptureFixture, change: Any, fault: Exception
) -> None:
    here = site()
    browser = await here.signed_in(secret=HIDDEN, list=[HIDDEN])
    token = browser.token
    assert token is not None
    errors: list[BaseException] = []

    async def do(session: Session) -> None:
        change(session)
        here.store.fault = fault
        try:
            await session.save()
        except (StoreUnavailable, TypeError, SessionTooLarge) as error:
            errors.append(error)

    await browser.visit(do)
    reports = [shown(error) for error in errors]
    logged = [record.exc_info[1] for record in caplog.records if record.exc_info]
    reports += [shown(error) for error in logged if error is not None]
    assert errors
    for report in reports:
        assert "quart_idle/" in report
        assert token not in report
        assert HIDDEN not in report
        assert not re.search(r"'[A-Za-z0-9_-]{43}'", report), "nor a token that is to come"


async def test_setting_what_cannot_be_held_shows_it_nowhere_but_in_the_application(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()

    def do(session: Session) -> str:
        try:
            session["a"] = [Unholdable()]
        except TypeError as error:
            return shown(error)
        raise AssertionError("it is held")

    report = (await browser.visit(do)).value
    assert "__setitem__" in report
    assert HIDDEN not in report


async def test_what_is_kept_of_a_session_says_nothing_of_it_by_its_repr(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(user=HIDDEN, secret=HIDDEN)
    id = (await browser.visit(lambda session: session.id)).value
    record: Any = await here.store.load(id)
    for thing in (record, here.idle, here.store, here.app.session_interface):
        assert HIDDEN not in repr(thing)
    entry = here.store._inner._sessions.living[id]  # type: ignore[attr-defined]
    assert HIDDEN not in repr(entry)


# Whose page it is.


async def tag(browser: Browser) -> str | None:
    text = (await browser.visit(lambda _: render_template_string("{{ quart_idle() }}"))).value
    _, _, rest = text.partition('data-user="')
    return rest.partition('"')[0] or None


async def tag_of(user: str, **config: Any) -> str | None:
    """What the pages of a user have in their addresses, on a worker of its own."""
    app = Quart("tests")
    app.config.update(config)
    QuartIdle(app)

    @app.get("/")
    async def index() -> str:
        cast(Session, session).user_id = user
        return await render_template_string("{{ quart_idle() }}")

    text = await (await app.test_client().get("/")).get_data(as_text=True)
    return text.partition('data-user="')[2].partition('"')[0]


async def test_whose_page_it_is_cannot_be_guessed_without_the_secret_key() -> None:
    plain, keyed, same, other, as_bytes = [
        await tag_of("ada", **config)
        for config in (
            {},
            {"SECRET_KEY": "a"},
            {"SECRET_KEY": "a"},
            {"SECRET_KEY": "b"},
            {"SECRET_KEY": b"a"},
        )
    ]
    assert keyed == same == as_bytes, "workers agree"
    assert len({plain, keyed, other}) == 3
    assert keyed != await tag_of("bob", SECRET_KEY="a")  # noqa: S106
    for text in ("ada", "quart-idle ada", "quart-idle user ada"):
        assert sha256(text.encode()).hexdigest()[:16] not in (plain, keyed)


async def test_pages_of_before_the_secret_key_was_replaced_are_still_their_user_s(
    site: MakeSite,
) -> None:
    before = site(config={"SECRET_KEY": "old"})
    page = await tag(await before.signed_in("ada"))
    after = site(config={"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old"]})
    ada, bob = await after.signed_in("ada"), await after.signed_in("bob")
    assert await tag(ada) not in (None, page)
    statuses = [
        (await browser.visit(path=f"/_idle/state?user={page}")).status for browser in (ada, bob)
    ]
    assert statuses == [200, 401]
    await ada.visit(put(a=1))


async def test_pages_of_the_version_before_are_still_their_user_s(site: MakeSite) -> None:
    here = site(config={"SECRET_KEY": "a"})
    page = sha256(b"quart-idle ada").hexdigest()[:16]
    ada, bob = await here.signed_in("ada"), await here.signed_in("bob")
    statuses = [
        (await browser.visit(path=f"/_idle/state?user={page}")).status for browser in (ada, bob)
    ]
    assert statuses == [200, 401]
