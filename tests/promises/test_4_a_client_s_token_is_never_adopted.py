"""Promise 4: a token that a client made up is never adopted."""

from __future__ import annotations

import pytest

from tests.helpers.handlers import look, put, why
from tests.helpers.site import MakeSite

TOKEN = "a" * 43


MALFORMED = {
    "empty": "",
    "short": TOKEN[:-1],
    "long": TOKEN + "a",
    "oversized": "a" * 100_000,
    "not base64url": "a" * 42 + "=",
    "with a newline": TOKEN + "\\012",
    "half quoted": f'"{TOKEN}',
    "not ASCII": "é" * 43,
    "an id": "0123456789abcdef" * 4,
    "signed": "eyJhIjoxfQ.aW9f7g.c2lnbmF0dXJlLXRoYXQtaXMtbm90LW9uZQ",
    "binary": "\x80\xff" * 22,
    "with a space": "a" * 21 + " " + "a" * 21,
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_token_costs_no_store_call_and_is_never_adopted(
    site: MakeSite, value: str
) -> None:
    here = site()
    headers = {"Cookie": f"session={value}"}
    assert (await here.browser().visit(why, headers=headers)).value is None
    assert (await here.browser().visit(look, headers=headers)).value == {}
    assert here.store.calls == []
    answer = await here.browser().visit(put(a=1), headers=headers)
    assert answer.cookie is not None
    assert answer.cookie["value"] != value
    assert here.store.calls == ["create"]


async def test_an_invented_token_is_ignored_and_never_adopted(site: MakeSite) -> None:
    here = site()
    browser = here.browser(TOKEN)
    answer = await browser.visit(lambda session: (dict(session), session.new, session.ended))
    assert answer.value == ({}, True, "unknown")
    assert answer.cookie is None
    await browser.visit(put(a=1))
    assert browser.token not in (None, TOKEN)
    assert (await here.browser(TOKEN).visit(look)).value == {}


@pytest.mark.parametrize(
    "around",
    [
        "session={}",
        "other=1; session={}; more=2",
        "other=1;session={}",
        "xsession=" + TOKEN + "; session={}",
        "session.x=" + TOKEN + "; session={}",
        "x=session=" + TOKEN + "; session={}",
        "session={}; session=" + TOKEN,
        "broken; =; ;; session={}",
        'session="{}"',
        "other=1; session = {} ; more=2",
    ],
)
async def test_the_cookie_is_found_among_others(site: MakeSite, around: str) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    headers = {"Cookie": around.format(browser.token)}
    assert (await here.browser().visit(look, headers=headers)).value == {"a": 1}


async def test_the_cookie_is_found_in_a_header_of_its_own(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(a=1)
    browser.client.set_cookie("localhost", "other", "1")
    browser.client.set_cookie("localhost", "more", "2")  # each in a header, as HTTP/2 may
    assert (await browser.visit(look)).value == {"a": 1}
