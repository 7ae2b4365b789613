"""What a session can hold, and how it tells of what it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from quart_idle import Session, SessionTooLarge
from tests.helpers.handlers import Do, look, put
from tests.helpers.site import MakeSite

UNHOLDABLE = [1j, object(), bytearray(), {1: 2}, {1, (1j,)}, [b"", {"a": {"b": {1j}}}]]


def kind(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize("value", UNHOLDABLE, ids=kind)
async def test_a_value_that_it_cannot_hold_is_a_type_error_that_names_the_key(
    site: MakeSite, value: Any
) -> None:
    browser = await site().signed_in(a=1)

    def do(session: Session) -> dict[str, Any]:
        with pytest.raises(TypeError, match="session\\['cart'\\]"):
            session["cart"] = value
        return dict(session)

    assert (await browser.visit(do)).value == {"a": 1}
    assert (await browser.visit(look)).value == {"a": 1}


@pytest.mark.parametrize("key", [1, None, b"a", ("a",)])
async def test_a_key_that_is_no_str_is_a_type_error(site: MakeSite, key: Any) -> None:
    def do(session: Session) -> None:
        with pytest.raises(TypeError, match="keys of a session are str"):
            session[key] = 1

    assert (await site().browser().visit(do)).cookie is None


@pytest.mark.parametrize("value", UNHOLDABLE, ids=kind)
async def test_a_value_changed_into_one_that_it_cannot_hold_fails_the_request_that_did_it(
    site: MakeSite, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    here = site()
    browser = await here.signed_in(cart=[], a=1)

    def do(session: Session) -> None:
        session["a"] = 2
        session["cart"].append(value)

    answer = await browser.visit(do)
    assert answer.status == 500
    assert answer.cookie is None
    assert "session['cart'] cannot hold" in caplog.text
    assert (await browser.visit(look)).value == {"cart": [], "a": 1}


async def test_more_data_than_allowed_is_an_error_and_what_was_stored_stays(
    site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    here = site(max_size=1000)
    browser = await here.signed_in(a=1)
    answer = await browser.visit(put(a=2, big="x" * 1000))
    assert answer.status == 500
    assert answer.cookie is None
    assert "QUART_IDLE_MAX_SIZE allows 1000" in caplog.text
    assert (await browser.visit(look)).value == {"a": 1}
    assert (await browser.visit(put(big="x" * 900))).status == 200
    assert (await browser.visit(put(big2="x" * 100))).status == 500
    assert (await here.browser().visit(put(big="x" * 1000))).cookie is None


@pytest.mark.parametrize(
    ("error", "change"),
    [
        (SessionTooLarge, put(big="x" * 1000)),
        (TypeError, lambda session: session["cart"].append(object())),
    ],
)
async def test_the_application_may_answer_a_session_that_cannot_be_saved_itself(
    site: MakeSite, error: type[Exception], change: Do
) -> None:
    here = site(max_size=1000)
    browser = await here.signed_in(cart=[])

    @here.app.errorhandler(error)
    async def words(error: Exception) -> Any:
        return f"too much: {error}", 413

    answer = await browser.visit(change)
    assert answer.status == 413
    assert (await answer.response.get_data(as_text=True)).startswith("too much: ")
    assert answer.headers["Vary"] == "Cookie"
    assert here.store.calls == ["load"]
    assert (await browser.visit(look)).value == {"cart": []}


async def test_what_was_saved_before_a_save_that_fails_has_its_cookie(site: MakeSite) -> None:
    here = site(max_size=1000)
    browser = await here.signed_in(a=1)

    async def do(session: Session) -> None:
        session.user_id = "bob"
        await session.save()
        session["big"] = "x" * 1000

    answer = await browser.visit(do)
    assert answer.status == 500
    assert answer.cookie is not None
    assert (await browser.visit(lambda s: (s.user_id, dict(s)))).value == ("bob", {"a": 1})
