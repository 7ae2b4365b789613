"""Mistakes are told in the log: once, with what is wrong and what to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from quart import Quart, session
from quart.sessions import SecureCookieSessionInterface

from quart_idle import QuartIdle
from tests.helpers.clock import Clock
from tests.helpers.handlers import look, put
from tests.helpers.redis_servers import RedisServer, redis_server
from tests.helpers.site import Browser, MakeSite


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, "quart_idle"):
        yield caplog


def told(log: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """What the log was told, of this level or above."""
    return [record.getMessage() for record in log.records if record.levelno >= level]


async def started(app: Quart) -> None:
    async with app.test_app():
        pass


def make(**config: Any) -> Quart:
    app = Quart("tests")
    app.config.update(config)
    QuartIdle(app, timeout=600)
    return app


async def test_an_application_without_mistakes_is_told_nothing(log: Any) -> None:
    app = make(SESSION_COOKIE_SAMESITE="Strict", SESSION_COOKIE_NAME="__Host-id")

    @app.get("/")
    async def index() -> str:
        return ""

    async with app.test_app() as running:
        await running.test_client().get("/")
    assert told(log) == []


# Times.


async def test_what_the_times_are_is_told_at_the_start_without_a_password(log: Any) -> None:
    app = Quart("tests")
    QuartIdle(app, store="redis://app:hunter2@127.0.0.1:1", lifetime=3600 * 12, store_timeout=0.1)
    await started(app)
    (line,) = [text for text in told(log, logging.INFO) if "without activity" in text]
    assert "31 days" in line
    assert "PERMANENT_SESSION_LIFETIME" in line
    assert "QUART_IDLE_TIMEOUT" in line
    assert "lifetime: 12:00:00" in line
    assert "RedisStore" in line
    assert "hunter2" not in "".join(told(log, logging.INFO))


async def test_a_timeout_that_was_chosen_is_not_called_the_default(log: Any) -> None:
    await started(make())
    (line,) = told(log, logging.INFO)
    assert line.startswith("sessions end after 0:10:00 without activity; lifetime: None")


# Other applications.


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


def sharing(server: RedisServer, name: str, **options: Any) -> Quart:
    app = Quart(name, root_path=".")
    QuartIdle(app, store=server.url, **options)
    return app


async def test_two_applications_with_the_default_key_prefix_are_told(
    redis: RedisServer, log: Any
) -> None:
    with redis.client as client:
        client.flushall()
    for name in ("shop", "shop", "__main__", "blog"):
        assert told(log) == []
        await started(sharing(redis, name))
    (line,) = told(log)
    assert "application 'blog'" in line
    assert "so does 'shop'" in line
    assert "'quart-idle'" in line
    assert "QUART_IDLE_KEY_PREFIX" in line


async def test_applications_that_chose_their_prefix_may_share_it(
    redis: RedisServer, log: Any
) -> None:
    for name in ("shop", "blog"):
        await started(sharing(redis, name, key_prefix="accounts"))
    assert told(log) == []


# The cookie.


@pytest.mark.parametrize("key", ["SESSION_COOKIE_PATH", "APPLICATION_ROOT"])
async def test_a_cookie_path_that_leaves_out_the_routes_is_told_once(
    site: MakeSite, log: Any, key: str
) -> None:
    browser = site(config={key: "/app"}).browser()
    for _ in range(3):
        await browser.visit(look)
    (line,) = told(log)
    assert key in line
    assert "'/app'" in line
    assert "'/_idle'" in line
    assert "QUART_IDLE_URL_PREFIX" in line


@pytest.mark.parametrize(
    ("path", "root", "wrong"),
    [
        ("/app", "/app", False),
        ("/app/", "/app", False),
        ("/", "/app", False),
        ("/_idle", "", False),
        ("/_id", "", True),
        ("/app", "/application", True),
    ],
)
async def test_where_the_application_is_mounted_counts(
    site: MakeSite, log: Any, path: str, root: str, wrong: bool
) -> None:
    browser = site(config={"SESSION_COOKIE_PATH": path}).browser()
    await browser.visit(look, path=root + "/", root_path=root)
    assert bool(told(log)) is wrong


@pytest.mark.parametrize(
    "config",
    [
        {"SESSION_COOKIE_SAMESITE": "None"},
        {"SESSION_COOKIE_SAMESITE": "none"},
        {"SESSION_COOKIE_NAME": "__Host-session"},
        {"SESSION_COOKIE_NAME": "__Secure-session"},
        {"SESSION_COOKIE_PARTITIONED": True},
    ],
)
async def test_a_cookie_that_browsers_refuse_since_it_is_not_secure_is_told_once(
    site: MakeSite, log: Any, config: dict[str, Any]
) -> None:
    here = site(config=config)
    for _ in range(2):
        await here.browser().visit(put(a=1))
    (line,) = told(log)
    assert "SESSION_COOKIE_SECURE" in line
    assert repr(str(config.get("SESSION_COOKIE_NAME", "session"))) in line
    log.clear()
    safe = [site(config={**config, "SESSION_COOKIE_SECURE": True}), site(config=config)]
    await safe[0].browser().visit(put(a=1))
    await safe[1].browser().visit(put(a=1), scheme="https")
    assert told(log) == []


@pytest.mark.parametrize(
    "config", [{"SESSION_COOKIE_DOMAIN": "example.com"}, {"SESSION_COOKIE_PATH": "/_idle"}]
)
async def test_a_host_cookie_with_a_domain_or_a_path_is_told_at_the_start(
    log: Any, config: dict[str, str]
) -> None:
    await started(make(SESSION_COOKIE_NAME="__Host-id", SESSION_COOKIE_SECURE=True, **config))
    (line,) = told(log)
    assert "__Host-id" in line
    assert next(iter(config.values())) in line


# Origins.


async def post(browser: Browser, origin: str, host: str = "localhost") -> int:
    headers = {"Origin": origin, "Host": host}
    return (await browser.client.post("/_idle/extend", headers=headers)).status_code


async def test_each_pair_of_origins_that_does_not_match_is_told_once(
    site: MakeSite, log: Any
) -> None:
    browser = await site().signed_in()
    for _ in range(3):
        assert await post(browser, "https://shop.example") == 403
        assert await post(browser, "null") == 403
    first, second = told(log)
    assert "'https://shop.example'" in first
    assert "'http://localhost'" in first
    assert "QUART_IDLE_ALLOWED_ORIGINS" in first
    assert "proxy" in first
    assert "'null'" in second
    assert await post(browser, "http://localhost") == 200
    assert len(told(log)) == 2


async def test_whoever_makes_origins_up_fills_neither_the_log_nor_the_memory(
    site: MakeSite, log: Any
) -> None:
    here = site()
    browser = await here.signed_in()
    for number in range(300):
        await post(browser, f"https://{number}\x1b{'x' * 5000}.example")
    lines = told(log)
    assert 0 < len(lines) <= 100
    assert max(map(len, lines)) < 1000
    assert "\x1b" not in "".join(lines)


async def test_whoever_makes_origins_up_keeps_no_mistake_from_being_told(
    site: MakeSite, log: Any
) -> None:
    here = site(config={"SESSION_COOKIE_SAMESITE": "None"})
    for number in range(300):
        await post(here.browser(), f"https://{number}.example")
    log.clear()
    await here.browser().visit(put(a=1))
    (line,) = told(log)
    assert "SESSION_COOKIE_SECURE" in line


# Signing out.


def signing_out(*methods: str, url: str) -> Quart:
    app = Quart("tests")
    QuartIdle(app, timeout=600, sign_out_url=url)

    @app.route("/sign-out", methods=methods)
    async def sign_out() -> str:
        return ""

    return app


async def test_a_view_that_signs_out_by_get_alone_is_told_at_the_start(log: Any) -> None:
    await started(signing_out("GET", url="/sign-out?from=prompt"))
    (line,) = told(log)
    assert "QUART_IDLE_SIGN_OUT_URL is '/sign-out?from=prompt'" in line
    assert "have it take POST" in line


@pytest.mark.parametrize("url", ["/sign-out", "/elsewhere", "https://id.example/sign-out"])
async def test_nothing_is_told_where_signing_out_takes_a_post_or_is_not_the_application_s(
    log: Any, url: str
) -> None:
    await started(signing_out("GET", "POST", url=url))
    await started(signing_out("GET", url="https://id.example/sign-out"))
    assert told(log) == []


# Other parts in our place.


class Other(SecureCookieSessionInterface):
    pass


async def test_another_session_interface_in_our_place_is_told_at_the_start(log: Any) -> None:
    app = make()
    app.session_interface = Other()
    await started(app)
    (line,) = told(log, logging.ERROR)
    assert "test_log.Other" in line
    assert "QuartIdle(app) after it" in line


async def test_that_another_one_s_place_is_taken_is_told(log: Any) -> None:
    app = Quart("tests")
    app.session_interface = Other()
    QuartIdle(app, timeout=600)
    (line,) = told(log)
    assert "takes the place" in line
    assert "test_log.Other" in line


@pytest.mark.parametrize("name", ["asgi_http_class", "asgi_websocket_class"])
async def test_what_answers_in_our_place_is_told_at_the_start(log: Any, name: str) -> None:
    app = make()
    setattr(app, name, getattr(Quart, name))
    await started(app)
    (line,) = told(log)
    assert f"app.{name} is quart.asgi." in line
    assert "/_idle" in line
    assert "before QuartIdle(app)" in line


# A store that is away.


async def test_a_store_that_is_away_is_told_when_it_goes_once_a_minute_and_when_it_is_back(
    site: MakeSite, log: Any, clock: Clock
) -> None:
    here = site(store_timeout=1)
    browser = await here.signed_in()
    here.store.fault = ConnectionError("refused")
    for _ in range(150):
        await browser.visit(look)
        await clock.advance(1)
    gone = told(log)
    assert len(gone) == 3
    assert "failed" in gone[0]
    assert "60 s" in gone[1]
    assert "120 s" in gone[2]
    assert "calls failed" in gone[2]
    here.store.fault = None
    for _ in range(3):
        await browser.visit(look)
    (back,) = told(log)[3:]
    assert "available again, after 15" in back


async def test_a_store_of_which_a_part_comes_and_goes_does_not_flood_the_log(
    site: MakeSite, log: Any, clock: Clock
) -> None:
    here = site()
    browser = await here.signed_in()
    for number in range(240):
        here.store.fault = ConnectionError() if number % 2 else None
        await browser.visit(look)
        await clock.advance(0.5)
    assert len(told(log)) <= 6, "in two minutes"


async def test_two_applications_tell_of_their_own_stores(site: MakeSite, log: Any) -> None:
    for here in (site(), site()):
        browser = await here.signed_in()
        here.store.fault = ConnectionError()
        await browser.visit(look)
    assert len(told(log)) == 2


async def test_while_redis_is_away_nothing_is_told_again_and_again(log: Any) -> None:
    app = Quart("tests")
    QuartIdle(app, store="redis://127.0.0.1:1", store_timeout=0.2, timeout=600)

    @app.get("/")
    async def index() -> str:
        return str(len(session))

    async with app.test_app() as running:
        client = running.test_client()
        client.set_cookie("localhost", "session", "x" * 43)
        for _ in range(8):
            assert (await client.get("/")).status_code == 503
            await asyncio.sleep(0.4)
    kinds = [text.partition(" not available")[0] for text in told(log)]
    assert len(kinds) == len(set(kinds)) <= 3
    assert "the store is" in kinds
