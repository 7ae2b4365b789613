"""Settings, read and checked once: their names and defaults, and what they ask of each other.

What a single one may be is in `config_values`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeGuard, TypeVar

from .config_values import (
    DURATION,
    FLAG,
    KEEPALIVE,
    KEY_PREFIX,
    ORIGINS,
    POLICY,
    SESSION_KEY,
    SESSIONS,
    SITE_NAME,
    SIZE,
    URL,
    URL_PREFIX,
    Check,
    Keepalive,
    Origin,
    Policy,
)
from .exceptions import ConfigError
from .log import Once, Outage
from .policy import Limits
from .stores.asking import Patience
from .stores.base import DraftStore, SessionLimit, Store, UserStore
from .stores.urls import SCHEMES, store_of
from .users import UserTags

if TYPE_CHECKING:
    from .drafts import Drafts

_PREFIX: Final = "QUART_IDLE_"

_T = TypeVar("_T")
_log = logging.getLogger("quart_idle")


class Options(TypedDict, total=False):
    """The keywords of ``QuartIdle(...)``: the keys of the configuration without their prefix.

    Durations are a `timedelta` or seconds.
    """

    store: str | Store
    timeout: timedelta | float
    lifetime: timedelta | float | None
    closed_timeout: timedelta | float | None
    keepalive: Keepalive
    warning: timedelta | float | None
    ping_interval: timedelta | float | None
    url_prefix: str
    expired_url: str | None
    sign_out_url: str | None
    sign_in_url: str | None
    site_name: str | None
    user_key: str | None
    drafts: bool
    devices: bool
    allowed_origins: Collection[str]
    max_sessions: int | None
    max_sessions_policy: Policy
    max_size: int
    key_prefix: str
    store_timeout: timedelta | float


#: The prefix of applications that say nothing.
DEFAULT_KEY_PREFIX: Final = "quart-idle"

_KNOWN: Final = tuple(Options.__annotations__)

# Where None is a way to say "none", or "the default".
_OPTIONAL: Final = frozenset(
    (
        "lifetime",
        "closed_timeout",
        "warning",
        "ping_interval",
        "expired_url",
        "sign_out_url",
        "sign_in_url",
        "site_name",
        "user_key",
        "max_sessions",
    )
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an application asked for, checked; durations in seconds, sizes in bytes."""

    store: Store
    limits: Limits
    keepalive: Keepalive
    ping_interval: float
    url_prefix: str
    expired_url: str | None
    sign_out_url: str | None
    sign_in_url: str | None
    site_name: str | None
    user_key: str | None
    drafts: Drafts | None
    devices: bool
    allowed_origins: frozenset[Origin]
    session_limit: SessionLimit | None
    max_size: int
    key_prefix: str
    store_timeout: float
    user_tags: UserTags = field(repr=False, compare=False)

    outage: Outage = field(repr=False, compare=False, default_factory=Outage)
    once: Once = field(repr=False, compare=False, default_factory=Once)

    @property
    def patience(self) -> Patience:
        """How long to wait for the store, where it does not keep the time itself."""
        return Patience(None if self.store.timely else self.store_timeout, self.outage)


# WCAG 2.2, success criterion 2.2.1: at least 20 seconds to extend a time limit.
_WCAG_WARNING: Final = 20.0


def _drafts(store: Store, config: Mapping[str, Any]) -> Drafts:
    """What keeps drafts in a store."""

    def lacking(what: str) -> ConfigError:
        return ConfigError(f"{_PREFIX}DRAFTS is True, and {what}")

    try:
        from .drafts import Drafts  # needed by nobody else
    except ImportError:
        raise lacking("cryptography is missing: pip install 'quart-idle[drafts]'") from None
    if not isinstance(store, DraftStore):
        raise lacking(
            f"the store, a {type(store).__qualname__}, keeps no drafts; allowed: "
            f"{', '.join(SCHEMES)}, or a Store that is a DraftStore too"
        )
    # What is said repeats no secret.
    if not _is_secret(secret := config.get("SECRET_KEY")):
        raise lacking(
            "SECRET_KEY, by which drafts are encrypted, is not set; before QuartIdle(app), set it "
            "to a long random str or bytes, the same for all workers"
        )
    former = config.get("SECRET_KEY_FALLBACKS") or ()
    if not isinstance(former, list | tuple) or not all(map(_is_secret, former)):
        raise lacking(
            "SECRET_KEY_FALLBACKS is wrong; allowed: a list or tuple of str or bytes, or None"
        )
    return Drafts(store, (secret, *former))


def _user_tags(config: Mapping[str, Any]) -> UserTags:
    """What pages are told of their users, by the application's secrets where it has some."""
    former = config.get("SECRET_KEY_FALLBACKS")
    secrets = [config.get("SECRET_KEY"), *(former if isinstance(former, list | tuple) else ())]
    return UserTags([secret for secret in secrets if _is_secret(secret)])


def _is_secret(value: object) -> TypeGuard[str | bytes]:
    return isinstance(value, str | bytes) and len(value) > 0


def _wrong(name: str, value: object, allowed: str) -> ConfigError:
    return ConfigError(f"{_PREFIX}{name.upper()} is {value!r}; allowed: {allowed}")


def _collect(config: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are set, by name; a keyword goes before a key."""
    keys = {key: value for key, value in config.items() if key.startswith(_PREFIX)}
    for name, value in options.items():
        keys[_PREFIX + name.upper() if name in _KNOWN else name] = value
    names = {_PREFIX + name.upper(): name for name in _KNOWN}
    for key in keys:
        if key not in names:
            nearest = get_close_matches(key.upper(), names, n=1, cutoff=0.0)[0]
            raise ConfigError(f"{key} is not a setting; did you mean {nearest}?")
    values = {names[key]: value for key, value in keys.items()}
    return {
        name: value for name, value in values.items() if not (value is None and name in _OPTIONAL)
    }


def read(config: Mapping[str, Any], options: Options, folder: Path | None = None) -> Settings:
    """The settings of an application.

    Args:
        config: the application's configuration.
        options: the keywords that ``QuartIdle`` was given.
        folder: the application's own, for what is in files.

    Raises:
        ConfigError: a key is unknown, or its value is wrong.
    """
    values = _collect(config, options)
    values.setdefault("timeout", config["PERMANENT_SESSION_LIFETIME"])

    def take(name: str, check: Check[_T]) -> _T | None:
        if name not in values:
            return None
        value = check.value(values[name])
        if value is None:
            raise _wrong(name, values[name], check.allowed)
        return value

    timeout = take("timeout", DURATION) or 0.0
    closed_timeout = take("closed_timeout", DURATION)
    warning = take("warning", DURATION) or min(120.0, timeout / 2)
    if warning >= timeout:
        raise _wrong("warning", values["warning"], f"less than the timeout, {timeout:g} s")
    if warning < _WCAG_WARNING:
        _log.warning(
            "pages are warned %g s before their session ends; WCAG 2.2.1 asks for %g s or more",
            warning,
            _WCAG_WARNING,
        )
    limits = Limits(timeout, take("lifetime", DURATION), closed_timeout, warning)

    ping_interval = take("ping_interval", DURATION) or min(
        25.0, min(timeout, closed_timeout or timeout) / 4
    )
    if ping_interval >= timeout:
        raise _wrong(
            "ping_interval", values["ping_interval"], f"less than the timeout, {timeout:g} s"
        )
    if closed_timeout is not None and closed_timeout < 2 * ping_interval:
        raise _wrong(
            "closed_timeout",
            values["closed_timeout"],
            f"at least twice the ping interval, {2 * ping_interval:g} s",
        )

    store = store_of(values.get("store", "memory://"), folder)
    policy = take("max_sessions_policy", POLICY) or "end oldest"
    max_sessions = take("max_sessions", SESSIONS)
    if max_sessions is not None and not isinstance(store, UserStore):
        raise _wrong(
            "max_sessions",
            max_sessions,
            f"None, as the store, a {type(store).__qualname__}, does not list users' sessions",
        )
    session_limit = max_sessions and SessionLimit(max_sessions, policy == "refuse")
    return Settings(
        store=store,
        limits=limits,
        keepalive=take("keepalive", KEEPALIVE) or "presence",
        ping_interval=ping_interval,
        url_prefix=take("url_prefix", URL_PREFIX) or "/_idle",
        expired_url=take("expired_url", URL),
        sign_out_url=take("sign_out_url", URL),
        sign_in_url=take("sign_in_url", URL),
        site_name=take("site_name", SITE_NAME),
        user_key=take("user_key", SESSION_KEY),
        drafts=_drafts(store, config) if take("drafts", FLAG) else None,
        devices=take("devices", FLAG) is not False,
        allowed_origins=take("allowed_origins", ORIGINS) or frozenset(),
        session_limit=session_limit or None,
        max_size=take("max_size", SIZE) or 65_536,
        key_prefix=take("key_prefix", KEY_PREFIX) or DEFAULT_KEY_PREFIX,
        store_timeout=take("store_timeout", DURATION) or 1.0,
        user_tags=_user_tags(config),
    )
