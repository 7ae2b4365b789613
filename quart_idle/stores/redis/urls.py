"""URLs of Redis servers, and what makes a client for one: it fails when it is time to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from redis import asyncio as aioredis
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from ...exceptions import ConfigError


def client_maker(url: str) -> Callable[[float], Any]:
    """What makes a client for a URL, given how long to wait for a connection, in seconds.

    Raises:
        ConfigError: the URL is wrong. It can hold a password, and no part of it is repeated.
    """
    scheme, _, rest = url.partition("://")
    make = {"redis+cluster": _cluster, "redis+sentinel": _sentinel}.get(scheme, _server)
    why = _UNREADABLE
    # All behind a # would go without a word. An @ behind a ? ends a password most likely, and what
    # stands before the ? would be told as the host.
    if "#" not in rest and "@" not in rest.partition("?")[2]:
        try:
            return make(scheme, rest)
        except Exception as error:
            why = str(error) if isinstance(error, _WrongUrl) else _allowed_to_tell(error, rest)
    raise ConfigError(f"QUART_IDLE_STORE is a {scheme}:// URL that is wrong: {why}")


class _WrongUrl(ValueError):
    """What is wrong with a URL, without any of it."""


def _allowed_to_tell(error: Exception, rest: str) -> str:
    """What may be told of an error that others found in a URL.

    They repeat what they could not read. That can be a part of a password that holds characters
    which end it: what follows is then taken for a port, a path or an option.
    """
    options = rest.partition("?")[2]
    named = re.search(r"(?:keyword argument|Invalid value for) '(\w+)'", str(error))
    if named and f"{named[1]}=" in options:
        return f"the option {named[1]} is not known, or its value is wrong"
    return _UNREADABLE


_UNREADABLE: Final = (
    "it cannot be read. It takes a host and a port (a number), and in user and password all but "
    "letters, digits and -._~ is percent-encoded: # is %23, / is %2F, ? is %3F"
)


def _server(scheme: str, rest: str) -> Callable[[float], Any]:
    path = urlsplit("//" + rest).path
    if scheme == "unix" and not path:
        raise _WrongUrl("a path is missing")
    if scheme != "unix" and not re.fullmatch(r"/?[0-9]*", path):
        raise _WrongUrl("a database is a number")

    def make(timeout: float) -> aioredis.Redis:
        # A trip's time is limited, and more patiently than a client would.
        quick = _quick(timeout) | {"socket_connect_timeout": None}
        return aioredis.Redis.from_url(f"{scheme}://{rest}", **quick)

    # Which is where unknown options are noticed.
    make(1.0).connection_pool.make_connection()  # type: ignore[no-untyped-call]
    return make


def _cluster(scheme: str, rest: str) -> Callable[[float], Any]:  # noqa: ARG001
    hosts, path, options = _hosts(rest, 6379)
    if path:
        raise _WrongUrl("a cluster has no databases")

    def make(timeout: float) -> aioredis.RedisCluster:
        nodes = [ClusterNode(*host) for host in hosts]
        # Where it looks for the nodes by itself, it does not wait for a silent one.
        quick = _quick(timeout) | {"socket_timeout": timeout}
        return aioredis.RedisCluster(startup_nodes=nodes, **quick, **options)

    make(1.0)
    return make


def _sentinel(scheme: str, rest: str) -> Callable[[float], Any]:  # noqa: ARG001
    hosts, path, options = _hosts(rest, 26379)
    service, _, database = path.partition("/")
    if not service:
        raise _WrongUrl("a service is missing")
    if database:
        options["db"] = int(database)
    theirs = {
        name.removeprefix("sentinel_"): options.pop(name)
        for name in tuple(options)
        if name.startswith("sentinel_")
    }

    def make(timeout: float) -> Any:
        # A Sentinel that is silent leaves time for another, and for the server.
        some = dict.fromkeys(
            ("socket_timeout", "socket_connect_timeout"), timeout / (len(hosts) + 1)
        )
        quick = _quick(timeout)
        sentinel = Sentinel(hosts, sentinel_kwargs=quick | some | theirs, **quick, **options)  # type: ignore[no-untyped-call]
        return sentinel.master_for(service, redis_class=_Master)

    make(1.0).connection_pool.make_connection()
    return make


class _Master(aioredis.Redis):
    """Closes the clients of its Sentinels too, which nobody else has."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _hosts(rest: str, port: int) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """The hosts of a URL that has many, its path and its options."""
    # Hosts one at a time: of several, some releases of `urlsplit` let only the first have brackets.
    network = re.split("[/?#]", rest, maxsplit=1)[0]
    user, _, hosts = network.rpartition("@")
    found = [urlsplit("//" + host) for host in hosts.split(",")]
    if not all(host.hostname for host in found):
        raise _WrongUrl("a host is missing")
    parts = urlsplit("//host" + rest.removeprefix(network))
    options: dict[str, Any] = dict(parse_url("redis://?" + parts.query))
    if "ssl" in options:
        options["ssl"] = options["ssl"].lower() in ("1", "true", "yes")
    for name, value in zip(("username", "password"), user.split(":", 1), strict=False):
        if value:
            options[name] = unquote(value)
    places = [(host.hostname or "", host.port or port) for host in found]
    return places, parts.path.strip("/"), options


def _quick(timeout: float) -> dict[str, Any]:
    """Fail when it is time to, and not minutes later: a trip has a time-out of its own."""
    return {
        "socket_connect_timeout": timeout,
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
    }
