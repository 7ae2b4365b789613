"""What a response carries: a cookie or none, and what the application's handlers answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from quart import Response, render_template_string

from quart_idle import Session, StoreUnavailable
from tests.helpers.clock import MINUTE, Clock
from tests.helpers.handlers import Do, look, put, regenerate, why
from tests.helpers.site import MakeSite


async def test_what_the_application_answers_to_an_error_is_all_that_is_answered(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in()

    def do(session: Session) -> Response:
        here.store.fault = OSError()
        session["a"] = 1
        return Response("the file", headers={"Content-Disposition": "attachment", "X-View": "1"})

    @here.app.errorhandler(503)
    async def handler(_: Any) -> Any:
        return "sorry", 503, {"Content-Type": "text/plain", "Retry-After": "7"}

    answer = await browser.visit(do)
    assert answer.status == 503
    assert await answer.response.get_data(as_text=True) == "sorry"
    assert "Content-Disposition" not in answer.headers
    assert "X-View" not in answer.headers
    assert answer.headers.getlist("Content-Type") == ["text/plain"]
    assert answer.headers.getlist("Content-Length") == ["5"]
    assert answer.headers["Retry-After"] == "7", "the application knows better"


@pytest.mark.parametrize(("user", "do"), [(None, put(a=2)), ("ada", regenerate)])
async def test_a_token_that_a_view_saved_goes_out_with_the_503_of_the_save_after_it(
    site: MakeSite, user: str | None, do: Do
) -> None:
    here = site()
    browser = await here.signed_in(a=2) if user else here.browser()
    before = browser.token

    async def view(session: Session) -> None:
        do(session)
        await session.save()
        here.store.fault = OSError()
        session["b"] = 3

    answer = await browser.visit(view)
    assert answer.status == 503
    assert answer.cookie is not None
    assert answer.cookie["value"] == browser.token != before
    here.store.fault = None
    assert (await browser.visit(look)).value == {"a": 2}


async def test_any_text_is_a_user_whose_page_has_the_client(site: MakeSite) -> None:
    browser = await site().signed_in("\ud800")
    answer = await browser.visit(lambda _: render_template_string("{{ quart_idle() }}"))
    assert answer.status == 200
    assert "<script" in answer.value


async def test_a_session_from_before_the_limit_was_lowered_can_be_read(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(text="x" * 1000, cart=[1])
    interface: Any = here.app.session_interface
    interface._settings = replace(interface._settings, max_size=100)
    answer = await browser.visit(look)
    assert answer.status == 200
    assert answer.value == {"text": "x" * 1000, "cart": [1]}


async def test_a_socket_s_handler_that_leaves_what_cannot_be_held_is_told(
    site: MakeSite, caplog: pytest.LogCaptureFixture
) -> None:
    browser = await site().signed_in(cart=[])
    done = asyncio.Event()

    def do(session: Session) -> None:
        session["cart"].append(object())
        done.set()

    async with browser.client.websocket("/socket", scope_base={"do": do}):
        await done.wait()
    assert "cannot hold a value of type object" in caplog.text
    assert (await browser.visit(look)).value == {"cart": []}


async def test_the_end_of_a_slow_request_harms_nobody_where_its_session_ended(
    site: MakeSite, clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in()
    renewed: list[Any] = []
    renew = here.store.renew

    async def watch(signs: Any) -> Any:
        renewed.extend(signs)
        return await renew(signs)

    here.store.renew = watch  # type: ignore[method-assign]

    async def do(session: Session) -> None:
        await clock.advance(5)
        session.end()

    await browser.visit(do)
    await clock.advance(5)
    assert renewed
    assert None not in renewed


async def test_the_end_of_a_slow_passive_request_is_no_activity(
    site: MakeSite, clock: Clock
) -> None:
    browser = await site(timeout=MINUTE).signed_in()
    await clock.advance(MINUTE - 10)

    async def do(_: Session) -> None:
        await clock.advance(8)

    await browser.visit(do, "/passive/above")
    await clock.advance(2)
    assert (await browser.visit(why)).value == "idle"


async def test_a_page_that_is_served_though_the_store_fails_is_not_to_be_tried_again(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in()

    def do(session: Session) -> None:
        here.store.fault = OSError()
        with suppress(StoreUnavailable):
            len(session)

    here.store.fault = OSError()
    answer = await browser.visit(do)
    assert answer.status == 200
    assert "Retry-After" not in answer.headers


async def test_a_server_starts_while_the_store_is_away(site: MakeSite) -> None:
    here = site()
    here.store.fault = OSError()
    async with here.app.test_app():
        here.store.fault = None
        browser = await here.signed_in(a=1)
        assert (await browser.visit(look)).value == {"a": 1}
