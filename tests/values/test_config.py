"""Settings: their defaults, what goes before what, and what is said of a wrong one."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from quart_idle import ConfigError, MemoryStore, Options, QuartIdle
from quart_idle.config import Settings, read
from quart_idle.config_values import origin
from quart_idle.policy import Limits
from quart_idle.stores.redis import RedisStore
from quart_idle.users import UserTags

QUARTS = {"PERMANENT_SESSION_LIFETIME": timedelta(days=31)}
DAY = 86_400.0


def settings(config: dict[str, Any] | None = None, **options: Any) -> Settings:
    return read({**QUARTS, **(config or {})}, cast(Options, options))


def wrong(config: dict[str, Any] | None = None, **options: Any) -> str:
    """What is said of a wrong setting."""
    with pytest.raises(ConfigError) as caught:
        settings(config, **options)
    return str(caught.value)


# Defaults.


def test_every_key_has_its_default() -> None:
    found = settings()
    assert isinstance(found.store, MemoryStore)
    assert found == Settings(
        store=found.store,
        limits=Limits(31 * DAY, None, None, 120.0),
        keepalive="presence",
        ping_interval=25.0,
        url_prefix="/_idle",
        expired_url=None,
        sign_out_url=None,
        sign_in_url=None,
        user_key=None,
        drafts=None,
        allowed_origins=frozenset(),
        max_size=65_536,
        key_prefix="quart-idle",
        store_timeout=1.0,
        user_tags=UserTags(()),
    )


@pytest.mark.parametrize(
    ("options", "warning", "ping_interval"),
    [
        ({"timeout": 3600}, 120, 25),
        ({"timeout": 240}, 120, 25),
        ({"timeout": 100}, 50, 25),
        ({"timeout": 60}, 30, 15),
        ({"timeout": 3600, "closed_timeout": 60}, 120, 15),
        ({"timeout": 60, "closed_timeout": 3600}, 30, 15),
        ({"timeout": 3600, "closed_timeout": 3600}, 120, 25),
    ],
)
def test_the_warning_and_the_ping_interval_follow_the_timeouts(
    options: dict[str, Any], warning: float, ping_interval: float
) -> None:
    found = settings(**options)
    assert (found.limits.warning, found.ping_interval) == (warning, ping_interval)


def test_the_timeout_is_quart_s_own_key_where_nothing_else_is_said() -> None:
    assert settings({"PERMANENT_SESSION_LIFETIME": 600}).limits.timeout == 600
    assert settings({"PERMANENT_SESSION_LIFETIME": 600}, timeout=60).limits.timeout == 60


# Values.

STORE = MemoryStore()
VALUES: list[tuple[str, Any, Any]] = [
    ("store", STORE, STORE),
    ("keepalive", "activity", "activity"),
    ("keepalive", "presence", "presence"),
    ("ping_interval", 5.5, 5.5),
    ("ping_interval", timedelta(seconds=5), 5.0),
    ("url_prefix", "/a/b-c_d.e~f", "/a/b-c_d.e~f"),
    ("expired_url", "/signed-out?why=idle", "/signed-out?why=idle"),
    ("sign_out_url", "https://example.com/out", "https://example.com/out"),
    ("sign_in_url", "http://example.com", "http://example.com"),
    ("user_key", "user id", "user id"),
    ("allowed_origins", ["https://a.example"], {("https", "a.example", 443)}),
    ("allowed_origins", (), set()),
    ("allowed_origins", {"http://a.example:8000"}, {("http", "a.example", 8000)}),
    ("max_size", 1, 1),
    ("store_timeout", 0.25, 0.25),
    ("store_timeout", timedelta(milliseconds=250), 0.25),
]


@pytest.mark.parametrize(("name", "value", "expected"), VALUES)
def test_a_value_is_taken_from_its_key_and_the_keyword_goes_before_it(
    name: str, value: Any, expected: Any
) -> None:
    key = f"QUART_IDLE_{name.upper()}"
    assert getattr(settings({key: value}), name) == expected
    assert getattr(settings({key: object()}, **{name: value}), name) == expected


@pytest.mark.parametrize("name", ["timeout", "lifetime", "closed_timeout", "warning"])
@pytest.mark.parametrize("value", [600, 600.0, timedelta(minutes=10)])
def test_the_limits_are_durations(name: str, value: Any) -> None:
    for found in (settings({f"QUART_IDLE_{name.upper()}": value}), settings(**{name: value})):
        assert getattr(found.limits, name) == 600.0


OPTIONAL = {
    "lifetime": 60,
    "closed_timeout": 60,
    "warning": 30,
    "ping_interval": 5,
    "expired_url": "/a",
    "sign_out_url": "/a",
    "sign_in_url": "/a",
    "user_key": "user",
    "max_sessions": 5,
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_none_is_the_default_and_a_keyword_s_none_goes_before_the_key(name: str) -> None:
    default = settings(store=STORE)
    key = f"QUART_IDLE_{name.upper()}"
    assert settings({key: None}, store=STORE) == default
    assert settings({key: OPTIONAL[name]}, store=STORE, **{name: None}) == default


def test_other_applications_keys_are_left_alone() -> None:
    assert settings({"QUART_AUTH_MODE": "cookie", "QUART_IDLENESS": 1, "IDLE": 2})


def test_the_defaults_of_what_is_not_built_in_yet_are_allowed() -> None:
    assert settings(max_sessions=None, key_prefix="quart-idle")


# Wrong values.

NO_DURATION = [0, -1, True, "60", float("nan"), float("inf"), 10**400, timedelta(0), [60], {}]
WRONG: dict[str, tuple[list[Any], str]] = {
    "timeout": ([*NO_DURATION, None], "a timedelta or seconds"),
    "lifetime": (NO_DURATION, "a timedelta or seconds"),
    "closed_timeout": (NO_DURATION, "a timedelta or seconds"),
    "warning": (NO_DURATION, "a timedelta or seconds"),
    "ping_interval": (NO_DURATION, "a timedelta or seconds"),
    "store_timeout": ([*NO_DURATION, None], "a timedelta or seconds"),
    "keepalive": (["Presence", "", None, True, 1, ["presence"], {}], '"presence" or "activity"'),
    "url_prefix": (
        ["", "/", "idle", "/idle/", "//idle", "/a b", "/<x>", "/a?b", "/\u00e9", None, 1, b"/idle"],
        "a path such as /_idle",
    ),
    **{
        name: (
            ["", "page", "javascript:alert(1)", "/a b", "ftp://a", "data:,", 1, True, b"/a"],
            "a URL that starts with /, http:// or https://, or None",
        )
        for name in ("expired_url", "sign_out_url", "sign_in_url")
    },
    "user_key": (["", "_permanent", 1, True, b"user", ["user"]], "a key of the session"),
    "allowed_origins": (
        [
            *("https://a.example", ["a.example"], ["https://a.example/"], ["null"], ["*"], [None]),
            *(None, 1, {"https://a.example": 1}, ["https://a.example", ""], [b"https://a.example"]),
        ],
        "a list or tuple of origins",
    ),
    "max_size": ([0, -1, None, True, 1.5, "65536", timedelta(1)], "a number of bytes"),
    "key_prefix": (["", "a b", "{x}", "a*", None, 1, b"a", "\u00e9"], "letters, digits"),
    "drafts": ([1, 0, None, "no", "True"], "True or False"),
    "max_sessions": ([1, 0, -1, True, "5"], "not built in yet"),
}


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [(name, value, allowed) for name, (values, allowed) in WRONG.items() for value in values],
    ids=lambda value: repr(value)[:30],
)
def test_a_wrong_value_fails_naming_the_key_the_value_and_what_is_allowed(
    name: str, value: Any, allowed: str
) -> None:
    key = f"QUART_IDLE_{name.upper()}"
    for text in (wrong({key: value}), wrong(**{name: value})):
        assert text.startswith(f"{key} is {value!r}; allowed: ")
        assert allowed in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout": 60, "warning": 60}, "WARNING is 60; allowed: less than the timeout, 60 s"),
        ({"timeout": 60, "warning": 61}, "WARNING is 61; allowed: less than the timeout, 60 s"),
        ({"timeout": 60, "ping_interval": 60}, "PING_INTERVAL is 60; allowed: less than the tim"),
        (
            {"closed_timeout": 40, "ping_interval": 21},
            "CLOSED_TIMEOUT is 40; allowed: at least twice the ping interval, 42 s",
        ),
    ],
)
def test_values_that_do_not_go_together_fail(options: dict[str, Any], text: str) -> None:
    assert text in wrong(**options)


def test_the_smallest_closed_timeout_is_twice_the_ping_interval() -> None:
    assert settings(closed_timeout=40, ping_interval=20).limits.closed_timeout == 40


@pytest.mark.parametrize("value", [NO_DURATION[0], "x"])
def test_a_wrong_value_of_quart_s_own_key_is_told_as_the_timeout_s(value: Any) -> None:
    assert "QUART_IDLE_TIMEOUT is" in wrong({"PERMANENT_SESSION_LIFETIME": value})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("TIMOUT", "TIMEOUT"),
        ("LIFE_TIME", "LIFETIME"),
        ("CLOSE_TIMEOUT", "CLOSED_TIMEOUT"),
        ("ORIGINS", "ALLOWED_ORIGINS"),
        ("timeout", "TIMEOUT"),
    ],
)
def test_an_unknown_key_fails_with_the_nearest_name(name: str, nearest: str) -> None:
    text = wrong({f"QUART_IDLE_{name}": 1})
    assert "is not a setting" in text
    assert f"did you mean QUART_IDLE_{nearest}?" in text


@pytest.mark.parametrize("name", ["timout", "TIMEOUT", "quart_idle_timeout", "xyz", ""])
def test_an_unknown_keyword_fails(name: str) -> None:
    assert "did you mean QUART_IDLE_" in wrong(None, **{name: 1})


# Stores.

SECRET = "hunter2"  # noqa: S105


def test_a_store_that_is_not_built_in_yet_says_so_without_its_url() -> None:
    text = wrong(store=f"sqlite:///{SECRET}")
    assert text.startswith("QUART_IDLE_STORE names a store sqlite:// that is not built in yet")
    assert "memory://" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "url",
    [
        *("redis://", "redis://:secret@host:6379/3?health_check_interval=5", "redis://[::1]:6379"),
        *("rediss://host?ssl_ca_certs=ca.pem&ssl_check_hostname=false", "unix:///run/redis.sock"),
        *("redis+cluster://one,two:7000,[::1]:7001", "redis+cluster://:secret@one?ssl=true"),
        "redis+sentinel://ada:secret@one,two:26380/service?db=1&sentinel_password=secret",
        "redis+sentinel://one/service/2",
    ],
)
def test_a_url_for_redis_makes_its_store(url: str) -> None:
    assert type(settings(store=url).store).__name__ == "RedisStore"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"redis://:{SECRET}@host:many", "a port (a number)"),
        (f"redis://:{SECRET}@host/base", "a database is a number"),
        (f"rediss://:{SECRET}@host?nonsense=1", "nonsense"),
        ("redis://host?health_check_interval=often", "health_check_interval"),
        ("unix://", "a path is missing"),
        (f"redis+cluster://:{SECRET}@", "a host is missing"),
        (f"redis+cluster://:{SECRET}@one,,two", "a host is missing"),
        (f"redis+cluster://:{SECRET}@one:port", "a port (a number)"),
        (f"redis+cluster://:{SECRET}@one/1", "a cluster has no databases"),
        (f"redis+sentinel://:{SECRET}@one", "a service is missing"),
        (f"redis+sentinel://:{SECRET}@one/service?nonsense=1", "nonsense"),
        (f"redis://:6379#{SECRET}@host", "# is %23"),
    ],
)
def test_a_url_for_redis_that_is_wrong_fails_without_a_password(url: str, why: str) -> None:
    text = wrong(store=url)
    assert text.startswith(f"QUART_IDLE_STORE is a {url.partition(':')[0]}:// URL that is wrong: ")
    assert why in text
    assert SECRET not in text


ODD = [f"h7n{mark}q9r" for mark in ("", *"#/?[]@:%,\\\u2100 ")] + ["h7n?q9r=2", "h7n#q9r2@"]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "redis://app:{}@host",
            "redis://:{}@host/0",
            "rediss://app:{}@host?db=1",
            "redis://app:{}",
        ),
        *(
            "redis+cluster://app:{}@one,two",
            "redis+cluster://app:{},two",
            "unix://app:{}@/tmp/redis",
        ),
        *("redis+sentinel://app:{}@one/name", "redis+sentinel://one/name/{}", "redis://host/{}"),
        *("redis://host:{}", "redis://host?db={}", "redis://host?protocol={}", "redis://{}@host:x"),
        *("rediss://host?ssl_cert_reqs={}", "redis+sentinel://one/name?sentinel_nonsense={}"),
        *("redis://host?password={}&nonsense=1", "redis://host?retry={}"),
    ],
)
def test_no_part_of_a_password_is_repeated_whatever_characters_it_has(url: str) -> None:
    said = []
    for password in ODD:
        try:
            settings(store=url.format(password))
        except ConfigError as error:
            said.append(str(error))
    assert said
    assert not re.search("h7n|q9r", "".join(said))


class Hiding(Quart):
    """An application whose variables, and those of its makers, do not show what is a secret."""

    def __init__(self, **config: Any) -> None:
        super().__init__("tests")
        self.secret_key = SECRET
        self.config.update(config)


def wrong_url() -> str:
    return f"redis://app:{SECRET}@host:port"


def by_keyword() -> object:
    return QuartIdle(Hiding(), store=wrong_url())


def by_configuration() -> object:
    return QuartIdle(Hiding(QUART_IDLE_STORE=wrong_url()))


def by_hand() -> object:
    return RedisStore(wrong_url())


@pytest.mark.parametrize("how", [by_keyword, by_configuration, by_hand])
def test_a_wrong_setting_s_traceback_shows_nothing_of_the_configuration(
    how: Callable[[], object],
) -> None:
    with pytest.raises(ConfigError) as caught:
        how()
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(found.format())
    assert how.__name__ in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "url",
    [
        *(f"postgres://user:{SECRET}@host", f"user:{SECRET}@host", SECRET, "", "memory:"),
        *(f"memory://{SECRET}", f"MEMORY://{SECRET}", f"://{SECRET}", f"{SECRET}://"),
        *(f"redis:/user:{SECRET}@host", f"default:{SECRET}@host://6379"),
    ],
)
def test_an_unknown_store_fails_without_a_password(url: str) -> None:
    text = wrong(store=url)
    assert text.startswith("QUART_IDLE_STORE names a store ")
    assert "allowed: memory://, redis://, " in text
    if not url.startswith(SECRET):  # which is where a scheme stands
        assert SECRET not in text


class HalfAStore:
    def bind(self) -> None: ...

    def load(self) -> None: ...


@pytest.mark.parametrize(
    ("value", "missing"),
    [
        (HalfAStore(), "open, close, hears, timely, create, save, regenerate, end, renew"),
        (1, "bind"),
        (None, "bind"),
        (MemoryStore, "class"),  # whose parentheses were forgotten
    ],
)
def test_what_is_no_store_fails_with_what_it_lacks(value: Any, missing: str) -> None:
    text = wrong(store=value)
    assert text.startswith("QUART_IDLE_STORE is a ")
    assert missing in text


# Drafts.

DRAFTS = {"QUART_IDLE_DRAFTS": True}


@pytest.mark.parametrize("secret", [SECRET, SECRET.encode()])
@pytest.mark.parametrize("former", [None, [], ["a", b"b"], ("a",)])
def test_drafts_are_kept_where_there_is_a_secret_key(secret: Any, former: Any) -> None:
    config = {"SECRET_KEY": secret, "SECRET_KEY_FALLBACKS": former}
    assert settings({**DRAFTS, **config}).drafts is not None
    assert settings(config, drafts=True, store="redis://host").drafts is not None
    assert settings(config).drafts is None
    assert settings({**DRAFTS, **config}, drafts=False).drafts is None


@pytest.mark.parametrize("secret", [None, "", b"", 1, [SECRET]])
def test_drafts_without_a_secret_key_fail_saying_what_to_do(secret: Any) -> None:
    text = wrong({**DRAFTS, "SECRET_KEY": secret})
    assert text.startswith("QUART_IDLE_DRAFTS is True, and SECRET_KEY")
    assert "before QuartIdle(app), set it to a long random str or bytes" in text
    assert SECRET not in text


@pytest.mark.parametrize("former", [SECRET, SECRET.encode(), [SECRET, None], [""], 1, {SECRET: 1}])
def test_drafts_with_wrong_former_secret_keys_fail_without_them(former: Any) -> None:
    text = wrong({**DRAFTS, "SECRET_KEY": SECRET, "SECRET_KEY_FALLBACKS": former})
    assert text.startswith("QUART_IDLE_DRAFTS is True, and SECRET_KEY_FALLBACKS is wrong; allowed:")
    assert SECRET not in text


def test_drafts_in_a_store_that_keeps_none_fail_saying_which_do() -> None:
    class SessionsOnly(MemoryStore):
        keep_draft = None  # type: ignore[assignment]

    store = SessionsOnly()
    text = wrong({**DRAFTS, "SECRET_KEY": SECRET}, store=store)
    assert text.startswith("QUART_IDLE_DRAFTS is True, and the store, a ")
    assert "SessionsOnly" in text
    assert "allowed: memory://, redis://, " in text
    assert settings(store=store).store is store


def test_drafts_without_cryptography_fail_saying_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "quart_idle.drafts", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    text = wrong({**DRAFTS, "SECRET_KEY": SECRET})
    assert text.startswith("QUART_IDLE_DRAFTS is True, and cryptography is missing: ")
    assert "pip install 'quart-idle[drafts]'" in text


# Warnings.


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({}, False),
        ({"warning": 20}, False),
        ({"warning": 19.9}, True),
        ({"timeout": 39}, True),
        ({"timeout": 40}, False),
    ],
)
def test_a_warning_of_less_than_20_seconds_is_logged_with_the_criterion(
    options: dict[str, Any], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings(**options)
    found = [item for item in caplog.record_tuples if "WCAG 2.2.1" in item[2]]
    assert len(found) == warned
    assert all(item[:2] == ("quart_idle", logging.WARNING) for item in found)


# Origins.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a.example", ("http", "a.example", 80)),
        ("https://a.example", ("https", "a.example", 443)),
        ("http://a.example:80", ("http", "a.example", 80)),
        ("https://a.example:443", ("https", "a.example", 443)),
        ("http://a.example:443", ("http", "a.example", 443)),
        ("https://a.example:80", ("https", "a.example", 80)),
        ("HTTPS://A.Example:8443", ("https", "a.example", 8443)),
        ("http://127.0.0.1:8000", ("http", "127.0.0.1", 8000)),
        ("http://[::1]", ("http", "[::1]", 80)),
        ("https://[2001:DB8::1]:8443", ("https", "[2001:db8::1]", 8443)),
        ("https://xn--bcher-kva.example", ("https", "xn--bcher-kva.example", 443)),
        ("https://localhost", ("https", "localhost", 443)),
    ],
)
def test_an_origin_is_its_scheme_host_and_port(text: str, expected: Any) -> None:
    assert origin(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "*", "a.example", "//a.example", "https:", "https://", "https:a.example"),
        *("https://a.example/", "https://a.example/path", "https://a.example?q", "https://a.ex#f"),
        *("https://user@a.example", "https://user:pass@a.example", "https://a.example@b.example"),
        *("https://a.example:", "https://a.example:x", "https://a.example:-1", "https://:443"),
        *("https://a.example:999999", "https://a.example:80:80", "https://a.example :80"),
        *(" https://a.example", "https://a.example ", "https://a.example\n", "https://a\t.example"),
        *("https://a.example, https://b.example", "https://a.example https://b.example"),
        *("ftp://a.example", "file://", "ws://a.example", "chrome-extension://abc", "data:,"),
        *("https://[::1", "https://::1", "https://[::1]x", "https://[]", "https://[a.example]"),
        *("https://a.example\\.b.example", "https://a.example\\@b.example", "https:\\\\a.example"),
        *("https://a.example\x00", "https:///a.example", "javascript://a.example"),
    ],
)
def test_what_is_no_origin_is_none(text: str) -> None:
    assert origin(text) is None


def test_look_alikes_are_other_origins() -> None:
    look_alikes = [
        *("https://a.example", "http://a.example", "https://a.example:8443", "https://a.example."),
        *(
            "https://b.a.example",
            "https://aa.example",
            "https://a.example.evil",
            "https://a-example",
        ),
        *("https://a.examp1e", "https://\u0430.example"),
    ]
    assert len({origin(text) for text in look_alikes}) == len(look_alikes)


@given(st.text(st.characters(codec=None)) | st.from_regex(r"https?://[^/]*"))
def test_whatever_a_header_says_is_an_origin_or_none(text: str) -> None:
    found = origin(text)
    if found is not None:
        scheme, host, port = found
        assert scheme in ("http", "https")
        assert host
        assert 0 <= port <= 99_999
        assert origin(f"{scheme}://{host}:{port}") == found


# The application.


def test_a_wrong_setting_fails_at_init_app_and_leaves_the_application_alone() -> None:
    app = Quart(__name__)
    app.config["QUART_IDLE_TIMEOUT"] = "soon"
    idle = QuartIdle()
    before = app.session_interface, dict(app.extensions), dict(app.jinja_env.globals)
    with pytest.raises(ConfigError, match="QUART_IDLE_TIMEOUT is 'soon'"):
        idle.init_app(app)
    assert (app.session_interface, app.extensions, app.jinja_env.globals) == before
    app.config["QUART_IDLE_TIMEOUT"] = 60
    idle.init_app(app)
    assert app.extensions["quart_idle"] is idle


def test_an_application_has_one_quart_idle() -> None:
    app = Quart(__name__)
    QuartIdle(app)
    with pytest.raises(ConfigError, match="has its QuartIdle already"):
        QuartIdle(app)


def test_the_secret_key_is_not_needed() -> None:
    app = Quart(__name__)
    assert app.secret_key is None
    assert QuartIdle(app)
