"""The session as Quart's users, its templates and its test client meet it."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import pytest
from flask.sessions import SessionMixin
from quart import (
    render_template_string,
)
from quart import session as current_session

from quart_idle import Session, StoreUnavailable
from tests.helpers.handlers import Do, look
from tests.helpers.site import MakeSite


async def test_it_is_a_session_as_quart_users_know_them(site: MakeSite) -> None:
    def facts(session: Session) -> Any:
        assert isinstance(session, SessionMixin)
        assert not session.accessed
        before = session.new, session.modified, session.permanent
        assert session.accessed
        session["a"] = 1
        return *before, session.modified

    browser = site().browser()
    assert (await browser.visit(facts)).value == (True, False, False, True)
    assert (await browser.visit(facts)).value == (False, False, False, True)


async def test_permanent_is_kept_and_is_no_data(site: MakeSite) -> None:
    here = site()
    browser = here.browser()

    def make_permanent(session: Session) -> None:
        session.permanent = True

    assert (await browser.visit(make_permanent)).cookie is None
    assert here.store.calls == []

    def make_permanent_with_data(session: Session) -> None:
        session.permanent = True
        session["a"] = 1

    await browser.visit(make_permanent_with_data)
    here.store.calls.clear()
    await browser.visit(make_permanent)
    assert here.store.calls == ["load"], "setting it again is no reason to write"
    assert (await browser.visit(lambda session: session.permanent)).value is True


async def test_its_id_is_safe_to_log_and_its_repr_tells_no_value(site: MakeSite) -> None:
    browser = await site().signed_in(a="do not tell")
    assert browser.token is not None
    text, id = (await browser.visit(lambda session: (repr(session), session.id))).value
    assert id == sha256(browser.token.encode()).hexdigest()
    assert id in text
    assert "do not tell" not in text
    assert browser.token not in text
    assert (await site().browser().visit(lambda session: session.id)).value is None


# clear, end, regenerate, user_id.


# save and reload, where there is no response to save with.


# Templates and Quart's own test client.


def page(**arguments: str) -> Do:
    async def do(_: Session) -> str:
        return await render_template_string("{{ quart_idle(**arguments) }}", arguments=arguments)

    return do


async def test_the_template_helper_puts_the_client_into_a_page_with_a_live_session(
    site: MakeSite,
) -> None:
    here = site(expired_url='/over?a="b"&c', sign_out_url="/out", url_prefix="/idle")
    text = (await (await here.signed_in()).visit(page(nonce='x" onload="alert(1)'))).value
    assert re.search(r'<script type="module" src="/idle/[0-9a-f]{12}/quart-idle\.js"', text)
    assert text.endswith("></script>")
    assert 'nonce="x&#34; onload=&#34;alert(1)"' in text
    assert 'data-expired-url="/over?a=&#34;b&#34;&amp;c"' in text
    assert 'data-sign-out-url="/out"' in text
    assert "data-sign-in-url" not in text


async def test_the_template_helper_counts_a_session_that_begins_with_this_response(
    site: MakeSite,
) -> None:
    async def do(session: Session) -> Any:
        session["a"] = 1
        return await page()(session)

    assert "<script" in (await site().browser().visit(do)).value


async def test_the_template_helper_puts_nothing_into_a_page_without_a_live_session(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()

    async def after_end(session: Session) -> Any:
        session.end()
        return await page()(session)

    async def after_clear(session: Session) -> Any:
        session.clear()
        text = await page()(session)
        await session.reload()
        return text

    assert (await site().browser().visit(page())).value == ""
    assert (await browser.visit(after_clear)).value == ""
    assert (await browser.visit(after_end)).value == ""
    assert (await browser.visit(page())).value == ""
    async with site().app.app_context():
        assert await page()(None) == ""  # type: ignore[arg-type]


async def test_the_template_helper_puts_nothing_into_the_page_that_tells_of_a_fault(
    site: MakeSite,
) -> None:
    here = site()

    @here.app.errorhandler(503)
    async def words(_: Exception) -> Any:
        return f"sorry{await page()(current_session)}", 503  # type: ignore[arg-type]

    def break_down(session: Session) -> None:
        session["a"] = 2
        here.store.fault = OSError()

    browser = await here.signed_in(a=1)
    for do in (break_down, look):  # the one finds out when it saves, the other when it reads
        answer = await browser.visit(do)
        assert answer.status == 503
        assert await answer.response.get_data(as_text=True) == "sorry"
        assert "Retry-After" in answer.headers


async def test_a_page_with_the_template_helper_is_not_shown_as_a_stranger_s_by_a_fault(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in()
    here.store.fault = OSError()
    assert (await browser.visit(page())).status == 503
    here.store.fault = None

    async def reads_again(session: Session) -> Any:
        with pytest.raises(StoreUnavailable):
            len(session)
        here.store.fault = None
        await session.reload()
        return await page()(session)

    here.store.fault = OSError()
    assert "<script" in (await browser.visit(reads_again)).value


async def test_the_template_helper_varies_the_page_by_cookie(site: MakeSite) -> None:
    assert (await site().browser().visit(page())).headers["Vary"] == "Cookie"


async def test_a_session_transaction_works_as_quart_users_know_it(site: MakeSite) -> None:
    browser = site().browser()
    async with browser.client.session_transaction() as session:
        session["a"] = 1
    assert (await browser.visit(look)).value == {"a": 1}
    async with browser.client.session_transaction() as session:
        assert session["a"] == 1
        session["a"] = 2
    async with browser.client as client:
        await client.get("/")
        assert dict(current_session) == {"a": 2}
