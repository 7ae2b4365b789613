"""The session in templates: keys before attributes, and what caches are told of streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from jinja2 import StrictUndefined
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import SandboxedEnvironment
from quart import (
    Quart,
    Response,
    render_template,
    render_template_string,
    stream_template_string,
    stream_with_context,
)
from quart import session as current_session
from quart.templating import Environment

from quart_idle import QuartIdle, Session
from quart_idle.quarts import current
from tests.helpers.handlers import look, put
from tests.helpers.site import Browser, MakeSite

OURS = [
    *("id", "user_id", "timeout", "end", "ended", "created_at", "expires_at", "remaining"),
    *("regenerate", "save", "reload"),
]


async def rendered(browser: Browser, template: str, **context: Any) -> str:
    """What a template says."""
    text = (await browser.visit(lambda _: render_template_string(template, **context))).value
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("name", OURS)
async def test_in_a_template_a_key_goes_before_an_attribute(site: MakeSite, name: str) -> None:
    browser = site().browser()
    await browser.visit(put(**{name: 7}))
    assert await rendered(browser, f"{{{{ session.{name} }}}}") == "7"
    assert await rendered(browser, f"{{% if session.{name} == 7 %}}yes{{% endif %}}") == "yes"


async def test_without_such_a_key_the_attribute_is_there(site: MakeSite) -> None:
    browser = await site().signed_in("ada")
    text = await rendered(browser, "{{ session.user_id }} {{ session.timeout }} {{ session.id }}")
    id = (await browser.visit(lambda session: session.id)).value
    assert text == f"ada 31 days, 0:00:00 {id}"


async def test_a_key_that_is_no_attribute_and_one_that_is_missing_are_as_ever(
    site: MakeSite,
) -> None:
    browser = await site().signed_in(name="Ada", deep={"id": 1})
    template = "{{ session.name }}{{ session.deep.id }}{{ session.none }}{{ session['name'] }}"
    assert await rendered(browser, template) == "Ada1Ada"


async def test_what_quart_s_own_session_has_means_what_it_means_there(site: MakeSite) -> None:
    browser = await site().signed_in(items=["pen"], get=1, new="yes")
    template = "{{ session.items()|length }} {{ session.get('get') }} {{ session.new }}"
    assert await rendered(browser, template) == "3 1 False"


async def test_a_template_without_context_has_the_keys_too(site: MakeSite, tmp_path: Any) -> None:
    here = site()
    here.app.template_folder = "templates"
    here.app.root_path = str(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "macros.html").write_text(
        "{% macro who() %}{{ session.user_id }}/{{ session.created_at is none }}{% endmacro %}"
    )
    (tmp_path / "templates" / "page.html").write_text(
        "{% from 'macros.html' import who %}{{ who() }}"
    )
    browser = await here.signed_in(user_id=7)
    assert (await browser.visit(lambda _: render_template("page.html"))).value == "7/False"
    assert await rendered(browser, "{{ it.user_id }}", it=current_session) == "7"


async def test_it_is_so_in_an_environment_of_the_application_s_own() -> None:
    class Sandbox(SandboxedEnvironment, Environment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            return "own" if attribute == "own" else super().getattr(obj, attribute)

    class App(Quart):
        jinja_environment = Sandbox

    made: dict[str, Any] = {}
    app = App("tests")
    assert isinstance(app.jinja_env, Sandbox), "it is there before the extension"
    QuartIdle(app)

    @app.get("/")
    async def index() -> str:
        current_session["user_id"] = 7
        environment = app.jinja_env
        made["kind"], made["name"] = isinstance(environment, Sandbox), type(environment).__name__
        with pytest.raises(SecurityError):
            await render_template_string("{{ session.__init__.__globals__ }}")
        overlay = environment.overlay(undefined=StrictUndefined, enable_async=False)
        session = current(current_session)
        made["overlay"] = overlay.from_string("{{ s.user_id }}").render(s=session)
        with pytest.raises(UndefinedError):
            overlay.from_string("{{ s.none }}").render(s=session)
        return await render_template_string("{{ session.user_id }} {{ session.own }}")

    response = await app.test_client().get("/")
    assert await response.get_data(as_text=True) == "7 own"
    assert made == {"kind": True, "name": "Sandbox", "overlay": "7"}
    others = Quart("other").jinja_env
    assert type(others).__mro__[0] is Quart.jinja_environment, "nobody else's is touched"


@pytest.mark.parametrize(
    "template", ["{{ session.user_id }}", "{{ session.id }}", "{{ session.x }}"]
)
async def test_a_template_that_shows_the_session_has_it_looked_at(
    site: MakeSite, template: str
) -> None:
    here = site()
    for browser in (here.browser(), await here.signed_in(user_id=7)):
        answer = await browser.visit(lambda _: render_template_string(template))
        assert answer.headers["Vary"] == "Cookie"
    answer = await browser.visit(lambda _: render_template_string("{{ 1 }}"))
    assert "Vary" not in answer.headers


# Streams.


async def streamed_template(_: Session) -> Response:
    return Response(await stream_template_string("{{ session.user_id }}"))


async def streamed_by_hand(_: Session) -> Response:
    @stream_with_context
    async def body() -> AsyncIterator[bytes]:
        yield str(current_session.get("user_id", "")).encode()

    return Response(body())


@pytest.mark.parametrize("stream", [streamed_template, streamed_by_hand])
async def test_a_stream_that_shows_the_session_is_kept_by_no_cache_for_others(
    site: MakeSite, stream: Any
) -> None:
    here = site()
    browser = await here.signed_in(user_id=7)
    answer = await browser.visit(stream)
    assert await answer.response.get_data(as_text=True) == "7"
    assert answer.headers["Vary"] == "Cookie"
    assert (await here.browser().visit(stream)).headers["Vary"] == "Cookie"
    assert (await browser.visit(look)).value == {"user_id": 7}
