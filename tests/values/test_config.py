"""Settings: their defaults, what they may be, and what goes together."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from quart import Quart

from quart_idle import ConfigError, MemoryStore, QuartIdle
from quart_idle.config import Settings
from quart_idle.policy import Limits
from quart_idle.stores.base import SessionLimit
from quart_idle.users import UserTags
from tests.helpers.settings import settings

DAY = 86_400.0


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
        site_name=None,
        user_key=None,
        drafts=None,
        devices=True,
        allowed_origins=frozenset(),
        session_limit=None,
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
    ("site_name", "Ada's <Bank>", "Ada's <Bank>"),
    ("user_key", "user id", "user id"),
    ("allowed_origins", ["https://a.example"], {("https", "a.example", 443)}),
    ("allowed_origins", (), set()),
    ("allowed_origins", {"http://a.example:8000"}, {("http", "a.example", 8000)}),
    ("max_size", 1, 1),
    ("store_timeout", 0.25, 0.25),
    ("store_timeout", timedelta(milliseconds=250), 0.25),
]


# Values.


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
    "site_name": "Bank",
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


@pytest.mark.parametrize(("policy", "refuses"), [("end oldest", False), ("refuse", True)])
def test_a_limit_of_sessions_has_a_policy(policy: str, refuses: bool) -> None:
    found = settings(max_sessions=3, max_sessions_policy=policy)
    assert found.session_limit == SessionLimit(3, refuses)
    assert settings(max_sessions=3).session_limit == SessionLimit(3)
    assert settings(max_sessions_policy=policy).session_limit is None


def test_a_store_without_lists_keeps_to_no_limit() -> None:
    class Plain(MemoryStore):
        sessions_of = None  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="MAX_SESSIONS is 5; allowed: None, as the store, a"):
        settings(max_sessions=5, store=Plain())
    assert settings(store=Plain())


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
