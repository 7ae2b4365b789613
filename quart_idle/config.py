"""Settings, read and checked once."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, TypeGuard, TypeVar

from .cookies import Tags
from .exceptions import ConfigError
from .policy import Limits, seconds
from .stores.asking import Patience
from .stores.base import PERMANENT, DraftStore, Store
from .stores.memory import MemoryStore
from .told import Once, Outage

if TYPE_CHECKING:
    from .drafts import Drafts

_PREFIX: Final = "QUART_IDLE_"

Keepalive = Literal["presence", "activity"]
Origin = tuple[str, str, int]

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
    user_key: str | None
    drafts: bool
    allowed_origins: Collection[str]
    max_sessions: int | None
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
    user_key: str | None
    drafts: Drafts | None
    allowed_origins: frozenset[Origin]
    max_size: int
    key_prefix: str
    store_timeout: float
    tags: Tags = field(repr=False, compare=False)

    outage: Outage = field(repr=False, compare=False, default_factory=Outage)
    once: Once = field(repr=False, compare=False, default_factory=Once)

    @property
    def patience(self) -> Patience:
        """How long to wait for the store, where it does not keep the time itself."""
        return Patience(None if self.store.timely else self.store_timeout, self.outage)


_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_URL = re.compile(r"(/|https?://)[^\s]*", re.IGNORECASE)
_URL_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_KEY_PREFIX = re.compile(r"[A-Za-z0-9._:-]+")
# WCAG 2.2, success criterion 2.2.1: at least 20 seconds to extend a time limit.
_WCAG_WARNING: Final = 20.0
_REDIS: Final = ("redis", "rediss", "unix", "redis+cluster", "redis+sentinel")


def origin(text: str) -> Origin | None:
    """Scheme, host and port of an origin (RFC 6454, section 6.2); None for whatever else."""
    match = _ORIGIN.fullmatch(text.lower())
    if match is None:
        return None
    scheme, host, port = match.groups()
    return scheme, host, int(port or _DEFAULT_PORTS[scheme])


def _origins(value: object) -> frozenset[Origin] | None:
    if not isinstance(value, list | tuple | set | frozenset):
        return None
    found = [origin(text) if isinstance(text, str) else None for text in value]
    return None if None in found else frozenset(item for item in found if item)


def _url(value: object) -> str | None:
    return value if isinstance(value, str) and _URL.fullmatch(value) else None


def _key(value: object) -> str | None:
    return value if isinstance(value, str) and value not in ("", PERMANENT) else None


def _size(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(*allowed: _T) -> Callable[[object], _T | None]:
    return lambda value: next((item for item in allowed if item == value), None)


def _like(pattern: re.Pattern[str]) -> Callable[[object], str | None]:
    return lambda value: value if isinstance(value, str) and pattern.fullmatch(value) else None


def _store(value: object) -> Store:
    if isinstance(value, type):
        raise ConfigError(
            f"{_PREFIX}STORE is a class, {value.__qualname__}; allowed: a URL, or an object with a "
            f"Store's methods, such as {value.__qualname__}(…)"
        )
    if isinstance(value, Store):
        return value
    if not isinstance(value, str):
        missing = [name for name in _STORE_METHODS if not hasattr(value, name)]
        raise ConfigError(
            f"{_PREFIX}STORE is a {type(value).__qualname__}; allowed: a URL, or an object with a "
            f"Store's methods, of which it has no {', '.join(missing)}"
        )
    if value == "memory://":
        return MemoryStore()
    # A URL can hold a password: only its scheme is repeated.
    match = re.match(r"[a-z][a-z0-9+.-]*(?=://)", value)
    scheme = match[0] if match else ""
    if scheme in _REDIS:
        try:
            from .stores.redis import RedisStore  # needed by nobody else
        except ImportError as error:
            raise ConfigError(
                f"{_PREFIX}STORE is a {scheme}:// URL, and {error.name} is missing: "
                "pip install 'quart-idle[redis]'"
            ) from None
        return RedisStore(value)
    known = "is not built in yet" if scheme == "sqlite" else "is not known"
    raise ConfigError(
        f"{_PREFIX}STORE names a store {scheme + '://' if scheme else 'without a scheme'} that "
        f"{known}; allowed: memory://, {'://, '.join(_REDIS)}://, or a Store"
    )


_STORE_METHODS: Final = (
    *("bind", "open", "close", "hears", "timely"),
    *("load", "create", "save", "regenerate", "end", "renew"),
)


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
            f"the store, a {type(store).__qualname__}, keeps no drafts; allowed: memory://, "
            f"{'://, '.join(_REDIS)}://, or a Store that is a DraftStore too"
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


def _tags(config: Mapping[str, Any]) -> Tags:
    """What pages are told of their users, by the application's secrets where it has some."""
    former = config.get("SECRET_KEY_FALLBACKS")
    secrets = [config.get("SECRET_KEY"), *(former if isinstance(former, list | tuple) else ())]
    return Tags([secret for secret in secrets if _is_secret(secret)])


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


def read(config: Mapping[str, Any], options: Options) -> Settings:
    """The settings of an application.

    Args:
        config: the application's configuration.
        options: the keywords that ``QuartIdle`` was given.

    Raises:
        ConfigError: a key is unknown, or its value is wrong.
    """
    values = _collect(config, options)
    values.setdefault("timeout", config["PERMANENT_SESSION_LIFETIME"])

    def take(name: str, check: Callable[[object], _T | None], allowed: str) -> _T | None:
        if name not in values:
            return None
        value = check(values[name])
        if value is None:
            raise _wrong(name, values[name], allowed)
        return value

    def duration(name: str) -> float | None:
        return take(name, seconds, "a timedelta or seconds, more than 0 and at most a century")

    def url(name: str) -> str | None:
        return take(name, _url, "a URL that starts with /, http:// or https://, or None")

    timeout = duration("timeout") or 0.0
    closed_timeout = duration("closed_timeout")
    warning = duration("warning") or min(120.0, timeout / 2)
    if warning >= timeout:
        raise _wrong("warning", values["warning"], f"less than the timeout, {timeout:g} s")
    if warning < _WCAG_WARNING:
        _log.warning(
            "pages are warned %g s before their session ends; WCAG 2.2.1 asks for %g s or more",
            warning,
            _WCAG_WARNING,
        )
    limits = Limits(timeout, duration("lifetime"), closed_timeout, warning)

    ping_interval = duration("ping_interval") or min(
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

    if values.get("max_sessions", False) is not False:
        raise _wrong(
            "max_sessions",
            values["max_sessions"],
            "nothing but the default: it is not built in yet",
        )
    store = _store(values.get("store", "memory://"))
    return Settings(
        store=store,
        limits=limits,
        keepalive=take("keepalive", _one_of("presence", "activity"), '"presence" or "activity"')
        or "presence",
        ping_interval=ping_interval,
        url_prefix=take(
            "url_prefix", _like(_URL_PREFIX), "a path such as /_idle, without a / at its end"
        )
        or "/_idle",
        expired_url=url("expired_url"),
        sign_out_url=url("sign_out_url"),
        sign_in_url=url("sign_in_url"),
        user_key=take("user_key", _key, "a key of the session, such as user_id, or None"),
        drafts=_drafts(store, config) if take("drafts", _flag, "True or False") else None,
        allowed_origins=take(
            "allowed_origins", _origins, "a list or tuple of origins such as https://example.com"
        )
        or frozenset(),
        max_size=take("max_size", _size, "a number of bytes, more than 0") or 65_536,
        key_prefix=take("key_prefix", _like(_KEY_PREFIX), "letters, digits and . _ : -")
        or DEFAULT_KEY_PREFIX,
        store_timeout=duration("store_timeout") or 1.0,
        tags=_tags(config),
    )
