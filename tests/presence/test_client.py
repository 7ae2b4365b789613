"""The tag that puts the client into a page, what the client says, and whose page it is."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha384
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from quart import Quart, render_template_string

from examples.pages.languages import TEXTS as LANGUAGES
from examples.pages.languages import app as languages
from quart_idle import QuartIdle
from quart_idle.templates import TEXTS
from tests.helpers.clock import Clock
from tests.helpers.handlers import look, session
from tests.helpers.site import Browser, MakeSite, tag
from tests.helpers.sockets import Closed, open_socket

_ROOT = Path(__file__).parent.parent.parent
STATIC = _ROOT / "quart_idle" / "static"
ORIGIN = {"Origin": "http://localhost"}


def test_what_the_client_says_has_the_names_that_the_helper_knows() -> None:
    names = []
    for file, begins in (
        ("dialogs.js", "const texts = {"),
        ("signing.js", "const wording = {"),
        ("drafts.js", "const wording = {"),
        ("fresh.js", "const wording = {"),
    ):
        text = (STATIC / file).read_text()
        start = text.index(begins)
        said = text[start : text.index("};", start)]
        names += re.findall(r'^  (?:"([^"]+)"|(\w+)):', said, re.MULTILINE)
    assert {quoted or bare for quoted, bare in names} == set(TEXTS)


async def test_texts_are_handed_to_the_client(site: MakeSite) -> None:
    browser = await site().signed_in()
    texts = {"stay": 'Bleiben "hier" & <jetzt>', "by bored": "Ihnen war langweilig."}
    assert json.loads((await tag(browser, "texts=texts", texts=texts))["data-texts"]) == texts
    assert "data-texts" not in await tag(browser)


class Lazy:
    """A text whose language is known when it is read, as translations are."""

    def __str__(self) -> str:
        return "Bleiben"


async def test_a_text_may_be_a_lazy_translation(site: MakeSite) -> None:
    browser = await site().signed_in()
    attributes = await tag(browser, "texts=texts", texts={"stay": Lazy()})
    assert json.loads(attributes["data-texts"]) == {"stay": "Bleiben"}


async def test_the_service_s_name_is_handed_to_the_client(site: MakeSite) -> None:
    name = "Ada's Bank & <Trust>"
    attributes = await tag(await site(site_name=name).signed_in())
    assert attributes["data-site-name"] == name
    assert "data-site-name" not in await tag(await site().signed_in())


@pytest.mark.parametrize(
    ("url", "methods", "method"),
    [
        ("/out?all", ["POST"], "post"),
        ("/out", ["GET", "POST"], "post"),
        ("/out", ["GET"], None),
        ("/slash", ["POST"], "post"),
        ("/elsewhere", ["POST"], None),
        ("https://id.example/out", ["POST"], None),
    ],
)
async def test_the_prompt_is_told_to_sign_out_by_post_where_a_view_takes_it(
    site: MakeSite, url: str, methods: list[str], method: str | None
) -> None:
    here = site(sign_out_url=url)

    async def out() -> str:
        return ""

    here.app.add_url_rule("/out", view_func=out, methods=methods)
    here.app.add_url_rule("/slash/", "slash", view_func=out, methods=methods)
    attributes = await tag(await here.signed_in())
    assert attributes["data-sign-out-url"] == url
    assert attributes.get("data-sign-out-method") == method


@pytest.mark.parametrize("root", ["", "/mounted"])
@pytest.mark.parametrize("path", ["", "/mounted"])
async def test_the_view_that_signs_out_is_looked_for_at_the_request_s_host_and_below_its_root(
    path: str, root: str
) -> None:
    app = Quart("tests", host_matching=True, static_host="app.example")
    QuartIdle(app, sign_out_url=f"{path}/out")

    async def page() -> str:
        session.user_id = "ada"
        return await render_template_string("{{ quart_idle() }}")

    app.add_url_rule("/page", view_func=page, host="app.example")
    app.add_url_rule("/out", "out", view_func=page, host="app.example", methods=["POST"])
    client = app.test_client()
    request = client.request(f"{root}/page", root_path=root, headers={"Host": "app.example"})
    async with request as connection:
        await connection.send_complete()
    text = await (await connection.as_response()).get_data(as_text=True)
    assert ('data-sign-out-method="post"' in text) is (path == root)


async def test_a_page_of_nobody_s_keeps_no_drafts(site: MakeSite) -> None:
    here = site(config={"SECRET_KEY": "a secret"}, drafts=True)
    browser = here.browser()
    await browser.visit(lambda session: session.update(a=1))
    attributes = await tag(browser)
    assert "src" in attributes
    assert "data-drafts" not in attributes
    assert (await tag(await here.signed_in()))["data-drafts"] == "1"


async def test_a_text_with_an_unknown_name_is_an_error_that_names_those_there_are(
    site: MakeSite,
) -> None:
    async def render(_: Any) -> None:
        with pytest.raises(ValueError, match=r"has 'stai'; there are title, warning, .*stay"):
            await render_template_string("{{ quart_idle(texts={'stai': 'x'}) }}")

    assert (await (await site().signed_in()).visit(render)).status == 200


async def test_integrity_is_the_hash_of_each_file_that_is_served(site: MakeSite) -> None:
    browser = await site().signed_in()
    text = (
        await browser.visit(
            lambda _: render_template_string("{{ quart_idle(integrity=True, nonce='n') }}")
        )
    ).value
    elements = [
        {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', element)}
        for element in re.findall("<(?:link|script) [^>]*>", text)
    ]
    names = set()
    for element in elements:
        path = element["href"] if "href" in element else element["src"]
        served = await (await browser.client.get(path)).get_data(as_text=False)
        assert element["integrity"] == f"sha384-{b64encode(sha384(served).digest()).decode()}"
        assert element["nonce"] == "n"
        names.add(path.rpartition("/")[2])
    # Also of what is loaded later: browsers check it by the link alone, if that is there first.
    assert names == {path.name for path in STATIC.glob("*.js")}
    assert "src" in elements[-1]
    assert "integrity" not in await tag(browser)


async def code_for(browser: Browser, query: str) -> tuple[int, str] | str:
    """What a page's socket is told first: a frame's kind, or a close code and why."""
    async with open_socket(browser, query.removeprefix("?")) as socket:
        try:
            return str((await socket.receive())["type"])
        except Closed as closed:
            return closed.code, closed.reason


async def test_a_page_of_one_user_does_not_go_on_as_another_s(site: MakeSite, clock: Clock) -> None:
    here = site(timeout=100)
    ada, bob = await here.signed_in("ada"), await here.signed_in("bob")
    query = f"?user={(await tag(ada))['data-user']}"
    assert "ada" not in query
    assert await code_for(ada, query) == "state"
    assert await code_for(ada, "") == "state"
    assert await code_for(bob, query) == (4401, "switched")
    await clock.advance(60)
    for path in ("extend", "presence"):
        here.store.calls.clear()
        answer = await bob.client.post(
            f"/_idle/{path}{query}",
            headers=ORIGIN,
            data='{"type": "pong", "idle": 0, "visible": true}',
        )
        assert answer.status_code == 401
        assert await answer.get_json() == {"reason": "switched"}
        assert "renew" not in here.store.calls
    answer = await ada.client.post(f"/_idle/extend{query}", headers=ORIGIN)
    assert (await answer.get_json())["left"] == 100_000


async def test_nobody_who_is_about_to_sign_in_is_not_somebody_else(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=100)
    ada, nobody = await here.signed_in("ada"), here.browser()
    query = f"?user={(await tag(ada))['data-user']}"
    await nobody.visit(lambda session: session.update(csrf_token="a sign-in page's"))  # noqa: S106
    assert await code_for(nobody, query) == (4401, "unknown")
    await clock.advance(60)
    here.store.calls.clear()
    for path in ("extend", "presence"):
        answer = await nobody.client.post(
            f"/_idle/{path}{query}",
            headers=ORIGIN,
            data='{"type": "pong", "idle": 0, "visible": true}',
        )
        assert (answer.status_code, await answer.get_json()) == (401, {"reason": "unknown"})
    assert "renew" not in here.store.calls


async def test_a_page_that_begins_anew_is_told_whose_it_is(site: MakeSite) -> None:
    here = site(timeout=100, drafts=True, config={"SECRET_KEY": "of the tests' own"})
    ada, nobody = await here.signed_in("ada"), here.browser()
    await nobody.visit(lambda session: session.update(cart=[1]))
    user = (await tag(ada))["data-user"]
    for browser, told in (ada, (user, True)), (nobody, (None, False)):
        state = await (await browser.client.get("/_idle/state?tag")).get_json()
        assert (state["user"], state["drafts"]) == told
        state = await (await browser.client.get("/_idle/state")).get_json()
        assert state == {"left": 100_000, "total": None}


async def test_the_client_runs_before_the_page_is_parsed_and_back_js_before_it_is_painted(
    site: MakeSite,
) -> None:
    text = (
        await (await site().signed_in()).visit(
            lambda _: render_template_string("{{ quart_idle() }}")
        )
    ).value
    assert re.fullmatch(
        r'(<link rel="modulepreload" href="[^"]+">)+'
        r'<script type="module" src="[^"]+"[^>]* async></script>'
        r'<script src="[^"]+/back.js"></script>',
        text,
    )


async def test_a_page_of_nobody_s_goes_on_whoever_signs_in(site: MakeSite) -> None:
    browser = site().browser()
    await browser.visit(lambda session: session.update(cart=[1]))
    assert "data-user" not in await tag(browser)
    await browser.visit(lambda session: setattr(session, "user_id", "ada"))
    assert await code_for(browser, "") == "state"
    assert (await browser.visit(look)).value == {"cart": [1]}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_example_says_everything_in_its_language(language: str) -> None:
    assert set(LANGUAGES[language]) == set(TEXTS)
    for name, text in LANGUAGES[language].items():
        said = {"warning": "{time}", "final": "{time}", "other": "{reason}"}.get(name, "")
        assert said in text
    page = await languages.test_client().get(f"/?language={language}")
    text = await page.get_data(as_text=True)
    assert f'<html lang="{language}"' in text
    assert (
        LANGUAGES[language]["stay"]
        in json.loads(unescape(re.findall(r'data-texts="([^"]*)"', text)[0])).values()
    )
