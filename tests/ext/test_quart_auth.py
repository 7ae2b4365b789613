"""`IdleAuth`: quart-auth's functions on the session, and no cookie of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from quart import Quart, Response, flash, get_flashed_messages, render_template_string
from quart_auth import (
    Action,
    AuthUser,
    authenticated_client,
    current_user,
    login_required,
    login_user,
    logout_user,
    renew_login,
)
from werkzeug.datastructures import Authorization

from quart_idle import QuartIdle, Session, StoreUnavailable
from quart_idle.ext.quart_auth import IdleAuth
from tests.helpers.auth_site import MakeAuthSite, enter, entered, leave, names, renew, who
from tests.helpers.clock import Clock
from tests.helpers.handlers import put
from tests.helpers.site import MakeSite
from tests.helpers.waiting import until

# As quart-auth's users know it.


async def test_login_user_signs_the_session_in_and_sets_no_second_cookie(
    auth_site: MakeAuthSite,
) -> None:
    browser = auth_site().browser()

    def sign_in(session: Session) -> str | None:
        login_user(AuthUser("ada"))
        return who(session)

    answer = await browser.visit(sign_in)
    assert (answer.value, names(answer)) == ("ada", ["session"])
    assert (await browser.visit(lambda s: (who(s), s.user_id))).value == ("ada", "ada")
    page = await browser.visit(path="/mine")
    assert (await page.response.get_data(), names(page)) == (b"ada's", [])


async def test_nobody_is_a_user_without_an_id_and_gets_what_the_application_answers(
    auth_site: MakeAuthSite,
) -> None:
    browser = auth_site().browser()
    assert (await browser.visit(who)).value is None

    async def authenticated(_: Session) -> bool:
        return await current_user.is_authenticated

    assert (await browser.visit(authenticated)).value is False
    answer = await browser.visit(path="/mine")
    assert (answer.status, await answer.response.get_data()) == (401, b"who are you?")
    await browser.visit(enter())
    assert (await browser.visit(authenticated)).value is True


async def test_logout_user_ends_the_session_with_all_that_it_holds_for_every_copy_of_its_cookie(
    auth_site: MakeAuthSite,
) -> None:
    browser = await entered(auth_site())
    await browser.visit(put(cart=["apple"]))
    copy = browser.copy()

    async def say(_: Session) -> None:
        logout_user()
        assert current_user.auth_id is None
        await flash("You are signed out.")

    await browser.visit(say)
    assert (await copy.visit(path="/mine")).status == 401
    assert (await copy.visit(lambda s: (dict(s), s.ended))).value == ({}, "signed out")
    # What is set after it is of a session of its own.
    shown = await browser.visit(lambda _: get_flashed_messages())
    assert shown.value == ["You are signed out."]
    assert (await browser.visit(path="/mine")).status == 401


async def test_a_user_who_is_to_be_remembered_has_a_cookie_that_outlives_the_browser(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()
    for remember in (False, True):
        answer = await site.browser().visit(enter(remember=remember))
        assert ("max-age" in (answer.cookie or {})) is remember
    browser = await entered(site, remember=True)
    answer = await browser.visit(enter())  # does not say so again
    assert "max-age" not in (answer.cookie or {"max-age": ""})


async def test_renew_login_has_the_cookie_last_and_is_no_new_proof(
    auth_site: MakeAuthSite,
) -> None:
    browser = await entered(auth_site())
    token = browser.token
    answer = await browser.visit(renew)
    assert answer.cookie is not None
    assert "max-age" in answer.cookie
    assert answer.cookie["value"] == token  # as it is called at every request by some
    assert names(await browser.visit(renew)) == []
    stranger = auth_site().browser()
    assert (names(await stranger.visit(renew)), stranger.token) == ([], None)
    await stranger.visit(put(cart=["apple"]))
    assert names(await stranger.visit(renew)) == []


async def test_templates_have_the_user_as_soon_as_they_ask_and_not_before(
    auth_site: MakeAuthSite,
) -> None:
    browser = await entered(auth_site())
    page = await browser.visit(lambda _: render_template_string("Hello {{ current_user.auth_id }}"))
    assert (page.value, page.headers.get("Vary")) == ("Hello ada", "Cookie")
    page = await browser.visit(lambda _: render_template_string("Hello"))
    assert (page.value, page.headers.get("Vary")) == ("Hello", None)


async def test_a_websocket_knows_the_user_and_is_refused_to_nobody(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()
    browser = await entered(site)
    async with browser.client.websocket("/echo") as socket:
        await socket.send("hello")
        assert await socket.receive() == "'hello' ada"
    with pytest.raises(Exception) as refused:  # noqa: PT011  (each release's own)
        async with site.browser().client.websocket("/echo") as socket:
            await socket.receive()
    assert cast(Any, refused.value).response.status_code == 401


async def test_basic_authentication_is_as_ever_and_looks_at_no_session(
    auth_site: MakeAuthSite, caplog: pytest.LogCaptureFixture
) -> None:
    site = auth_site(config={"QUART_AUTH_BASIC_USERNAME": "ada", "QUART_AUTH_BASIC_PASSWORD": "x"})
    right = Authorization("basic", {"username": "ada", "password": "x"}).to_header()
    headers = {"Authorization": right}
    a_user = await site.signed_in()
    for browser in site.browser(), a_user:
        assert (await browser.visit(path="/basic")).status == 401
        answer = await browser.visit(path="/basic", headers=headers)
        assert (answer.status, names(answer), answer.headers.get("Vary")) == (200, [], None)
        async with browser.client.websocket("/basic-echo", headers=headers) as socket:
            await socket.send("hello")
            assert await socket.receive() == "'hello'"
        if browser is not a_user:
            assert site.store.calls == []
        site.store.fault = StoreUnavailable()  # whoever looks at a user's session is told
    assert [it for it in caplog.records if it.exc_info] == []


async def test_a_test_client_is_signed_in_for_as_long_as_it_is_to_be(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()
    browser = site.browser()
    async with authenticated_client(browser.client, "ada"):
        copy = browser.copy()
        assert await (await browser.client.get("/mine")).get_data() == b"ada's"
    assert (await browser.visit(path="/mine")).status == 401
    assert (await copy.visit(path="/mine")).status == 401
    with pytest.raises(ZeroDivisionError):
        async with authenticated_client(browser.client, "ada"):
            raise ZeroDivisionError
    assert (await browser.visit(path="/mine")).status == 401


# One session, one deadline.


async def test_a_user_is_nobody_when_the_session_has_expired(
    auth_site: MakeAuthSite, clock: Clock
) -> None:
    browser = await entered(auth_site(timeout=60), remember=True)
    await clock.advance(61)
    assert (await browser.visit(lambda s: (who(s), s.ended))).value == (None, "idle")


async def test_signing_in_changes_the_token_and_takes_a_visitor_s_data_along(
    auth_site: MakeAuthSite,
) -> None:
    browser = auth_site().browser()
    await browser.visit(put(cart=["apple"]))
    before = browser.copy()
    await browser.visit(enter())
    assert browser.token != before.token
    assert (await browser.visit(lambda s: s["cart"])).value == ["apple"]
    assert (await before.visit(who)).value is None


async def test_another_user_finds_nothing_of_the_one_before(auth_site: MakeAuthSite) -> None:
    browser = await entered(auth_site())
    await browser.visit(put(cart=["apple"]))
    await browser.visit(enter("bob"))
    found = await browser.visit(lambda s: (who(s), s.user_id, "cart" in s))
    assert found.value == ("bob", "bob", False)


async def test_what_the_application_does_to_the_session_is_done_to_the_user(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()

    def end(session: Session) -> str | None:
        assert current_user.auth_id == "ada"
        session.end()
        return current_user.auth_id

    browser = await entered(site)
    assert (await browser.visit(end)).value is None

    def become(session: Session) -> tuple[str | None, str | None]:
        before = current_user.auth_id
        session.user_id = "bob"
        return before, current_user.auth_id

    browser = await entered(site)
    assert (await browser.visit(become)).value == ("ada", "bob")


async def test_a_session_that_ends_after_signing_in_is_not_brought_back(
    auth_site: MakeAuthSite,
) -> None:
    browser = auth_site().browser()

    def change_one_s_mind(session: Session) -> None:
        login_user(AuthUser("ada"))
        renew_login()
        session.end()

    answer = await browser.visit(change_one_s_mind)
    assert (browser.token, names(answer)) == (None, [])
    browser = await entered(auth_site())

    def renew_and_end(session: Session) -> None:
        renew_login()
        session.end()

    await browser.visit(renew_and_end)
    assert (await browser.visit(who)).value is None


async def test_a_user_who_may_have_no_more_sessions_is_nobody_where_that_is_told(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site(max_sessions=1, max_sessions_policy="refuse")

    @site.app.errorhandler(409)
    async def tell(_: Exception) -> tuple[str, int]:
        return f"you are {current_user.auth_id}", 409

    await entered(site)
    answer = await site.browser().visit(enter())
    assert (answer.status, await answer.response.get_data()) == (409, b"you are None")


# A user's action.


async def test_a_user_with_nothing_to_write_is_that_request_s_only(auth_site: MakeAuthSite) -> None:
    auth = IdleAuth()
    browser = auth_site(auth).browser()

    def pass_(_: Session) -> str | None:
        auth.login_user(AuthUser("a program"))
        return current_user.auth_id

    answer = await browser.visit(pass_)
    assert (answer.value, names(answer), answer.headers.get("Vary")) == ("a program", [], None)
    assert (await browser.visit(who)).value is None

    def and_then_write(_: Session) -> None:
        auth.login_user(AuthUser("ada"))
        current_user.action = Action.WRITE

    await browser.visit(and_then_write)
    assert (await browser.visit(who)).value == "ada"


async def test_a_user_for_one_request_only_is_nobody_s_in_the_next_one_of_the_same_context(
    auth_site: MakeAuthSite,
) -> None:
    auth = IdleAuth()
    site = auth_site(auth)

    def act(_: Session) -> str | None:
        user = AuthUser("program")
        user.action = Action.PASS
        auth.login_user(user)
        return who(_)

    async with site.app.app_context():  # as tests of applications have one
        assert (await site.browser().visit(act)).value == "program"
        assert (await site.browser().visit(who)).value is None
        assert (await site.browser().visit(path="/mine")).status == 401
        assert current_user.auth_id is None


async def test_a_user_who_has_signed_in_and_has_nothing_more_to_write_stays_as_they_are(
    auth_site: MakeAuthSite,
) -> None:
    browser = auth_site().browser()

    def act(_: Session) -> None:
        login_user(AuthUser("ada"), remember=True)
        current_user.action = Action.PASS

    answer = await browser.visit(act)
    assert "max-age" in (answer.cookie or {})
    assert (await browser.visit(lambda s: (who(s), s.permanent))).value == ("ada", True)


@pytest.mark.parametrize(
    ("action", "user_id", "lasts"),
    [(Action.DELETE, None, None), (Action.WRITE, "ada", False), (Action.PASS, "ada", None)],
    ids=lambda it: getattr(it, "name", None),
)
async def test_an_action_that_is_set_by_hand_is_done_with_the_response(
    auth_site: MakeAuthSite, action: Action, user_id: str | None, lasts: bool | None
) -> None:
    browser = await entered(auth_site(), remember=True)

    def act(_: Session) -> None:
        current_user.action = action

    cookie = (await browser.visit(act)).cookie
    assert (await browser.visit(who)).value == user_id
    if action is not Action.DELETE:
        assert (cookie is not None) is (lasts is not None)
    if lasts is not None:
        assert ("max-age" in (cookie or {})) is lasts


async def test_on_a_websocket_nobody_signs_in_or_out_and_what_is_asked_for_is_told(
    auth_site: MakeAuthSite,
) -> None:
    site = auth_site()
    browser = await entered(site)
    done: list[str] = []

    async def act(_: Session) -> None:
        with pytest.raises(RuntimeError, match="it takes a request to sign in"):
            login_user(AuthUser("bob"))
        with pytest.raises(RuntimeError, match="it takes a request to sign out"):
            logout_user()
        assert current_user.auth_id == "ada"
        renew_login()
        done.append("renewed")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        async with browser.client.websocket("/socket", scope_base={"do": act}):
            await until(lambda: bool(done))
    assert done == ["renewed"]
    assert ["on a WebSocket" in str(it.message) for it in told] == [True]
    assert (await browser.visit(who)).value == "ada"


# Users.


@pytest.mark.parametrize("auth_id", [2, "", None, b"ada"])
async def test_an_id_that_is_no_text_is_refused_and_loses_nothing(
    auth_site: MakeAuthSite, auth_id: Any
) -> None:
    browser = await entered(auth_site())
    await browser.visit(put(cart=["apple"]))

    def try_(session: Session) -> tuple[str | None, Any]:
        with pytest.raises(TypeError, match=r"auth_id of AuthUser is .*str\(number\)"):
            login_user(AuthUser(auth_id))
        return session.user_id, session["cart"]

    assert (await browser.visit(try_)).value == ("ada", ["apple"])
    assert (await browser.visit(who)).value == "ada"


@pytest.mark.parametrize("auth_id", ["a" * 10_000, "{}:*", "\ud800", " ", "😀"])
async def test_whatever_text_an_id_is_it_is_given_back(
    auth_site: MakeAuthSite, auth_id: str
) -> None:
    browser = await entered(auth_site(), auth_id)
    assert (await browser.visit(who)).value == auth_id


class User(AuthUser):
    """As quart-auth's guide has it: without an action, and read when it is needed."""

    def __init__(self, auth_id: str | None) -> None:
        super().__init__(auth_id)
        self._email: str | None = None

    @property
    async def email(self) -> str:
        self._email = self._email or f"{self.auth_id}@example.org"
        return self._email


class _SubclassedAuth(IdleAuth):
    user_class: type[AuthUser] = User


def _set_on_it() -> IdleAuth:
    auth = IdleAuth()
    auth.user_class = cast(type[AuthUser], User)
    return auth


@pytest.mark.parametrize("make", [lambda: IdleAuth(user_class=User), _SubclassedAuth, _set_on_it])
async def test_an_application_has_its_own_class_of_users(
    auth_site: MakeAuthSite, make: Callable[[], IdleAuth]
) -> None:
    browser = await entered(auth_site(make()))

    async def ask(_: Session) -> tuple[str, bool]:
        user = cast(User, current_user)
        email = await user.email
        return email, user._email == email  # the same user all along

    assert (await browser.visit(ask)).value == ("ada@example.org", True)
    assert (await browser.visit(leave)).status == 200
    assert (await browser.visit(who)).value is None


async def test_outside_of_requests_there_is_nobody(auth_site: MakeAuthSite) -> None:
    app = auth_site().app
    async with app.app_context():
        assert current_user.auth_id is None


# Applications.


@pytest.mark.parametrize("first", [QuartIdle, IdleAuth])
async def test_either_extension_may_come_first(first: type) -> None:
    app = Quart("tests")
    first(app)
    (IdleAuth if first is QuartIdle else QuartIdle)(app)

    @app.get("/")
    async def enter() -> str:
        login_user(AuthUser("ada"))
        return ""

    @app.get("/mine")
    @login_required
    async def mine() -> str:
        return str(current_user.auth_id)

    async with app.test_app():
        client = app.test_client()
        await client.get("/")
        assert await (await client.get("/mine")).get_data() == b"ada"


async def test_one_extension_may_be_given_to_several_applications(site: MakeSite) -> None:
    auth = IdleAuth()
    sites = [site(), site()]
    for here in sites:
        auth.init_app(here.app)
    browser = await entered(sites[0])
    other = sites[1].browser(browser.token)
    assert (await browser.visit(who)).value == "ada"
    assert (await other.visit(who)).value is None


async def test_a_user_may_be_found_in_another_way_too(auth_site: MakeAuthSite) -> None:
    class WithKeys(IdleAuth):
        def resolve_user(self) -> AuthUser:
            found = super().resolve_user()
            return found if found.auth_id is not None else AuthUser("a program")

    site = auth_site(WithKeys())
    assert (await site.browser().visit(who)).value == "a program"
    assert (await (await entered(site)).visit(who)).value == "ada"


async def test_a_response_that_nobody_s_user_was_asked_for_varies_with_no_cookie(
    auth_site: MakeAuthSite,
) -> None:
    browser = await entered(auth_site())
    answer = await browser.visit(lambda _: Response("same for all"))
    assert answer.headers.get("Vary") is None


async def test_a_socket_s_user_is_nobody_once_it_has_read_again_that_the_session_is_over(
    auth_site: MakeAuthSite,
) -> None:
    browser = await entered(auth_site())
    seen: list[str | None] = []

    async def act(session: Session) -> None:
        seen.append(current_user.auth_id)
        await browser.copy().visit(leave)
        await session.reload()
        seen.append(current_user.auth_id)

    async with browser.client.websocket("/socket", scope_base={"do": act}):
        await until(lambda: len(seen) == 2)
    assert seen == ["ada", None]


async def test_static_files_cost_no_trip_to_the_store(
    auth_site: MakeAuthSite, tmp_path: Path
) -> None:
    (tmp_path / "look.css").write_text("p {}")
    site = auth_site()
    site.app.static_folder = str(tmp_path)
    browser = await entered(site)
    site.store.calls.clear()
    for path, status in ("/static/look.css", 200), ("/static/gone.css", 404):
        assert (await browser.visit(path=path)).status == status
        calls, site.store.calls = site.store.calls, []
        assert (calls == []) is (status == 200)
