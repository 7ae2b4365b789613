"""Stores by URL and by hand, and drafts in them; no password is in any message."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart

from quart_idle import ConfigError, MemoryStore, QuartIdle
from quart_idle.stores.redis import RedisStore
from tests.helpers.settings import settings, wrong

SECRET = "hunter2"  # noqa: S105


# Stores.


def test_a_store_that_is_not_known_says_so_without_its_url() -> None:
    text = wrong(store=f"postgresql://ada:{SECRET}@host")
    assert text.startswith("QUART_IDLE_STORE names a store postgresql:// that is not known")
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
    assert "allowed: memory://, sqlite://, redis://, " in text
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


DRAFTS = {"QUART_IDLE_DRAFTS": True}


# Drafts.


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
    assert "allowed: memory://, sqlite://, redis://, " in text
    assert settings(store=store).store is store


def test_drafts_without_cryptography_fail_saying_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "quart_idle.drafts", raising=False)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    text = wrong({**DRAFTS, "SECRET_KEY": SECRET})
    assert text.startswith("QUART_IDLE_DRAFTS is True, and cryptography is missing: ")
    assert "pip install 'quart-idle[drafts]'" in text
