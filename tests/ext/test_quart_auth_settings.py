"""`IdleAuth`: what it is not given, what stands beside it, and what it touches of quart-auth."""

from __future__ import annotations

import importlib
import inspect
import sys
from typing import Any

import pytest
import quart_auth
from quart import Quart, render_template_string, websocket
from quart_auth import AuthUser, QuartAuth, generate_auth_token, login_required, login_user

from quart_idle import ConfigError, QuartIdle
from quart_idle.ext.quart_auth import IdleAuth
from tests.helpers.auth_site import MakeAuthSite, entered, names, who
from tests.helpers.site import KEY
from tests.helpers.sockets import Closed, open_socket

REFUSED = {
    "cookie_domain": ("example.org", "SESSION_COOKIE_DOMAIN"),
    "cookie_http_only": (False, "SESSION_COOKIE_HTTPONLY"),
    "cookie_name": ("auth", "SESSION_COOKIE_NAME"),
    "cookie_path": ("/app", "SESSION_COOKIE_PATH"),
    "cookie_samesite": ("Strict", "SESSION_COOKIE_SAMESITE"),
    "cookie_secure": (False, "SESSION_COOKIE_SECURE"),
    "duration": (3600, "QUART_IDLE_TIMEOUT and QUART_IDLE_LIFETIME"),
    "mode": ("bearer", "singleton=False"),
    "salt": ("pepper", "remove it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_setting_of_a_cookie_or_token_that_is_not_there_is_an_error_with_the_remedy(
    name: str,
) -> None:
    value, remedy = REFUSED[name]
    with pytest.raises(ConfigError, match=f"{name}={value!r}.*{remedy}"):
        IdleAuth(**{name: value})  # type: ignore[arg-type]
    app = Quart("tests")
    app.config[f"QUART_AUTH_{name.upper()}"] = value
    with pytest.raises(ConfigError, match=f"QUART_AUTH_{name.upper()} is {value!r}.*{remedy}"):
        IdleAuth(app)
    assert "QUART_AUTH" not in app.extensions


def test_every_setting_of_quart_auth_s_is_allowed_or_refused_and_a_wrong_name_is_an_error() -> None:
    known = set(inspect.signature(QuartAuth).parameters)
    assert known == {
        *REFUSED,
        *("app", "attribute_name", "serializer_class", "singleton", "user_class"),
    }
    with pytest.raises(ConfigError, match="remove it"):
        IdleAuth(serializer_class=object)
    with pytest.raises(TypeError, match="cookie_nam"):
        IdleAuth(cookie_nam="auth")
    app = Quart("tests")
    app.config["QUART_AUTH_MODE"] = "cookie"  # as quart-auth has it where nothing is said
    IdleAuth(app, mode="cookie", cookie_name=None)


def test_one_application_has_one_user_a_session() -> None:
    app = Quart("tests")
    auth = IdleAuth(app, singleton=False, attribute_name="staff")
    for another in (auth, IdleAuth(singleton=False, attribute_name="admin")):
        with pytest.raises(ConfigError, match="has its IdleAuth already"):
            another.init_app(app)


async def test_what_quart_auth_s_functions_would_mean_is_one_extension() -> None:
    app = Quart("tests")
    QuartIdle(app)
    QuartAuth(app)
    with pytest.raises(ConfigError, match="would mean several extensions"):
        IdleAuth(app)
    app = Quart("tests")
    QuartIdle(app)
    IdleAuth(app)
    QuartAuth(app, attribute_name="other", cookie_name="other", salt="other")
    with pytest.raises(ConfigError, match="would mean several extensions"):
        await app.startup()


async def test_an_application_without_sessions_of_ours_is_told_at_start_and_in_requests() -> None:
    app = Quart("tests")
    app.config |= KEY  # Quart's own sessions
    IdleAuth(app)
    with pytest.raises(ConfigError, match=r"IdleAuth needs QuartIdle\(app\)"):
        await app.startup()
    async with app.test_request_context("/"):
        with pytest.raises(ConfigError, match=r"IdleAuth needs QuartIdle\(app\)"):
            login_user(AuthUser("ada"))


async def test_a_key_that_names_the_user_is_an_error_at_start() -> None:
    app = Quart("tests")
    QuartIdle(app, user_key="user_id")
    IdleAuth(app)
    with pytest.raises(ConfigError, match="QUART_IDLE_USER_KEY is 'user_id'"):
        await app.startup()


async def test_programs_may_have_tokens_of_a_quart_auth_beside_it(auth_site: MakeAuthSite) -> None:
    site = auth_site(config=KEY)
    others: dict[str, Any] = {"cookie_name": "api", "salt": "api", "attribute_name": "api"}
    api = QuartAuth(site.app, mode="bearer", singleton=False, **others)
    browser = await entered(site)
    token = api.dump_token("a program", app=site.app)
    answer = await browser.visit(
        lambda s: (who(s), api.load_user().auth_id), headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.value, names(answer)) == (("ada", "a program"), [])


async def test_it_gives_no_tokens_and_says_where_there_are_some(auth_site: MakeAuthSite) -> None:
    site = auth_site(config=KEY)
    with pytest.raises(RuntimeError, match="mode='bearer' and singleton=False"):
        generate_auth_token(site.app.test_client(), "ada")
    auth = site.app.extensions["QUART_AUTH"][0]
    with pytest.raises(RuntimeError, match="mode='bearer' and singleton=False"):
        auth.load_token("x", site.app)


async def test_a_bound_socket_of_a_user_s_is_closed_when_they_sign_out(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()

    @site.app.websocket("/bound")
    @login_required
    @site.idle.bound
    async def bound() -> None:
        await websocket.accept()
        await websocket.receive()

    browser = await entered(site)
    async with open_socket(browser, path="/bound") as socket:
        await browser.copy().visit(lambda _: quart_auth.logout_user())
        with pytest.raises(Closed) as closed:
            await socket.receive()
    assert (closed.value.code, closed.value.reason) == (4401, "signed out")


def test_without_quart_auth_it_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "quart_idle.ext.quart_auth"
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "quart_auth", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'quart-idle\[quart-auth\]'") as it:
        importlib.import_module(name)
    assert it.value.name == "quart_auth"


# What of quart-auth is touched that its guides do not name, or that is overridden: if one of these
# fails with another release, look at `quart_idle/ext/quart_auth/idle_auth.py`.


def test_quart_auth_has_what_is_overridden_and_calls_it_so() -> None:
    for name, method in vars(IdleAuth).items():
        if not inspect.isfunction(method) or name == "__init__":
            continue
        if name in {"_held", "_hold", "_user_to_show", "_act", "_act_by_hand", "_has_old_cookie"}:
            assert not hasattr(QuartAuth, name)
        else:
            theirs = inspect.signature(getattr(QuartAuth, name))
            assert list(inspect.signature(method).parameters) == list(theirs.parameters), name


async def test_quart_auth_lists_its_extensions_and_asks_them_for_what_templates_get() -> None:
    app = Quart("tests")
    QuartIdle(app)
    auth = IdleAuth(app)
    assert app.extensions["QUART_AUTH"] == [auth]
    assert (auth.singleton, auth.mode, auth.cookie_name) == (True, "cookie", "QUART_AUTH")
    asked = []

    class Asked(IdleAuth):
        def _template_context(self) -> dict[str, AuthUser]:
            asked.append(self)
            return super()._template_context()

    app = Quart("tests")
    QuartIdle(app)
    auth = Asked(app)
    async with app.test_request_context("/"):
        login_user(AuthUser("ada"))
        assert await render_template_string("{{ current_user.auth_id }}") == "ada"
    assert asked == [auth]
