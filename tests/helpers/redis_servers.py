"""Redis servers of the tests' own, on free ports; their time can be told to stand still.

One alone, a cluster, and one with a replica and a Sentinel.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from redis import Redis
from redis.asyncio.sentinel import MasterNotFoundError
from redis.client import PubSub
from redis.exceptions import RedisError

from tests.helpers.leash import popen

EPOCH = 1_800_000_000


def need(name: str, package: str) -> str:
    """A program's path."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise RuntimeError(f"{name} is missing: apt-get install {package}")
    return path


def free_port() -> int:
    """One below those that the system gives to connections, which might take it meanwhile."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)  # `random` is seeded alike in all processes
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class StandingTime:
    """A server's clock that stands still, and is moved on by hand: see standing_time.c."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "time"
        self._library = folder / "standing_time.so"
        source = Path(__file__).with_name("standing_time.c")
        subprocess.run(
            [
                *(need("gcc", "gcc libc6-dev"), "-Wall", "-Werror", "-shared", "-fPIC", "-O1"),
                *("-o", str(self._library), str(source)),
            ],
            check=True,
        )
        self.set(EPOCH)

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "STANDING_TIME": str(self._file)}

    def set(self, now: float) -> None:
        self.now = now
        new = self._file.with_suffix(".new")
        new.write_text(str(round(now * 1e6)))
        new.replace(self._file)

    def __call__(self) -> float:
        return self.now

    async def advance(self, seconds: float) -> None:
        self.set(self.now + seconds)
        await asyncio.sleep(0.05)  # for what the server tells


@dataclass
class RedisServer:
    """A redis-server of the test's own."""

    process: subprocess.Popen[bytes]
    port: int
    command: list[str]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def client(self) -> Redis:
        return Redis(port=self.port, socket_timeout=10)

    def connections(self) -> int:
        """How many it has, but for the one that asks."""
        with self.client as client:
            return len(client.client_list()) - 1

    def has_replica_in_step(self) -> bool:
        """Whether a replica has all that this has. (`WAIT` asks for its own client's writes.)"""
        with self.client as client:
            told = client.info("replication")
        replica = told.get("slave0", {"offset": -1})  # which may be about to connect again
        return bool(replica["offset"] >= told["master_repl_offset"])

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.resume()
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        """Once more, with the data that it kept."""
        self.process = popen(self.command, stdout=subprocess.DEVNULL)
        self.wait()

    def wait(self) -> None:
        until = time.monotonic() + 20
        # Another process's server may have the port by now: then that answers, and this is over.
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(RedisError), self.client as client:
                told = client.info()  # which is answered, while it still loads what it kept
                if told["process_id"] == self.process.pid and not told.get("loading"):
                    return
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")


@contextmanager
def redis_server(
    folder: Path, *arguments: str, clock: StandingTime | None = None, port: int = 0
) -> Iterator[RedisServer]:
    """A server that keeps nothing on disk, unless its arguments say so."""
    port = port or free_port()
    command = [
        *(need("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"),
        *("--dir", str(folder), "--save", "", "--appendonly", "no"),
        *("--repl-diskless-sync-delay", "0", *arguments),
    ]
    process = popen(
        command,
        env={**os.environ, **(clock.environment if clock else {})},
        stdout=subprocess.DEVNULL,
    )
    server = RedisServer(process, port, command)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def until(true: Callable[[], object], what: str, seconds: float = 20) -> None:
    """Wait until it is so. A server that cannot be reached may be one day."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        with suppress(RedisError):
            if true():
                return
        time.sleep(0.05)
    raise RuntimeError(f"after {seconds:g} s still not: {what}")


def _hears(subscriber: PubSub, said: bytes) -> bool:
    """Whether it is published to a subscriber within a second."""
    give_up = time.monotonic() + 1
    while (left := give_up - time.monotonic()) > 0:
        message = subscriber.get_message(ignore_subscribe_messages=True, timeout=left)
        if message and message["data"] == said:
            return True
    return False


@dataclass
class Cluster:
    """Masters that share the slots, and a replica of the first, if it was asked for."""

    nodes: list[RedisServer]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def flush(self) -> None:
        """Empty it; what was published before is not on its way between the nodes any more."""
        for node in self.nodes[:3]:
            with node.client as client:
                client.flushall()
        with ExitStack() as stack:
            clients = [stack.enter_context(node.client) for node in self.nodes]
            subscribers = [stack.enter_context(client.pubsub()) for client in clients]
            for subscriber in subscribers:
                subscriber.subscribe("flushed")
            # A link between two nodes keeps the order; messages of one that breaks are lost.
            for publisher in clients:
                said = os.urandom(8)

                def heard(publisher: Redis = publisher, said: bytes = said) -> bool:
                    publisher.publish("flushed", said)
                    return all(_hears(each, said) for each in subscribers)

                until(heard, "the nodes hear each other")

    def ids(self) -> list[str]:
        return [self._ask(node, "CLUSTER MYID").decode() for node in self.nodes]

    def owner(self, key: bytes) -> int:
        """Which node has a key's slot, as the nodes see it."""
        slot = self.slot(key)
        for first, last, master, *_ in self._ask(self.nodes[-1], "CLUSTER SLOTS"):
            if first <= slot <= last:
                return [node.port for node in self.nodes].index(master[1])
        raise AssertionError(slot)

    def slot(self, key: bytes) -> int:
        return int(self._ask(self.nodes[-1], "CLUSTER KEYSLOT", key))

    def move(self, slot: int, source: int, target: int, *, whole: bool = True) -> None:
        """Take a slot with its keys to another node; or only on the way there."""
        ids = self.ids()
        self._ask(self.nodes[target], "CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
        self._ask(self.nodes[source], "CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
        keys = self._ask(self.nodes[source], "CLUSTER GETKEYSINSLOT", slot, 1000)
        if keys:
            there = "127.0.0.1", self.nodes[target].port, "", 0, 5000, "KEYS"
            self._ask(self.nodes[source], "MIGRATE", *there, *keys)
        if whole:
            for node in target, source:
                self._ask(self.nodes[node], "CLUSTER SETSLOT", slot, "NODE", ids[target])

    def give_back(self) -> None:
        """Have the first node, which is a replica now, be the master again."""
        first = self.nodes[0]

        def master() -> bool:
            if self._ask(first, "ROLE")[0] == b"master":
                return True
            self._ask(first, "CLUSTER FAILOVER")
            time.sleep(1)
            return False

        until(partial(in_step, first), "the replica is in step")
        until(master, "the replica is the master")
        until(lambda: self.owner(b"b") == 0, "the nodes know the master")

    @staticmethod
    def _ask(node: RedisServer, *command: Any) -> Any:
        with node.client as client:
            return client.execute_command(*command)


@contextmanager
def cluster(
    folder: Path, *arguments: str, clock: StandingTime | None = None, replicas: int = 0
) -> Iterator[Cluster]:
    """Three masters, and as many replicas of the first."""
    if clock:  # when that is moved on, nobody was silent
        arguments += "--cluster-node-timeout", str(2**31)
    with ExitStack() as stack:
        nodes = []
        for number in range(3 + replicas):
            own = folder / f"node{number}"
            own.mkdir()
            enabled = "--cluster-enabled", "yes", "--cluster-port", str(free_port())
            nodes.append(stack.enter_context(redis_server(own, *enabled, *arguments, clock=clock)))
        all_of_them = Cluster(nodes)
        first, *others = nodes
        share = 16384 // 3 + 1
        for number, node in enumerate(nodes):
            with node.client as client:
                client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                if number < 3:
                    start = number * share
                    last = min(start + share, 16384) - 1
                    client.execute_command("CLUSTER ADDSLOTSRANGE", start, last)
        for node in others:
            bus = node.command[node.command.index("--cluster-port") + 1]
            with first.client as client:
                client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus)

        def known(node: RedisServer) -> bool:
            with node.client as client:
                lines = client.execute_command("CLUSTER NODES")
            return len(lines) == len(nodes)

        for node in nodes:
            until(partial(known, node), "the nodes know each other")
        for node in nodes[3:]:
            with node.client as client:
                client.execute_command("CLUSTER REPLICATE", all_of_them.ids()[0])
            until(partial(in_step, node), "the replica is in step")

        def whole(node: RedisServer) -> bool:
            if clock:  # by which they wait before they serve
                clock.set(clock.now + 1)
            with node.client as client:
                return bool(client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")

        for node in nodes:
            until(partial(whole, node), "the cluster is whole")
        yield all_of_them


def in_step(replica: RedisServer) -> bool:
    """Whether it has what its master has."""
    with replica.client as client:
        return bool(client.info("replication").get("master_link_status") == "up")


@dataclass
class Watched:
    """A master and a replica, and a Sentinel that watches them."""

    servers: list[RedisServer]
    sentinel: RedisServer

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/service"

    def master(self) -> int:
        """Which of the servers the Sentinel says it is."""
        with self.sentinel.client as client:
            _, port = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", "service")
        return [server.port for server in self.servers].index(int(port))


class _FormerMasterNotFoundError(MasterNotFoundError):
    __repr__ = BaseException.__repr__  # later releases leave the text out


async def unknown_master(sentinel: object, service: str) -> NoReturn:  # noqa: ARG001
    """`Sentinel.discover_master` of redis-py 6.4, whose text has a Sentinel's password."""
    raise _FormerMasterNotFoundError(
        f"No master found for {service!r} : <redis.asyncio.client.Redis(<redis.asyncio.connection."
        "ConnectionPool(<redis.asyncio.connection.Connection(password=a-Secret,host=h)>)>)> - "
        "AuthenticationError('invalid username-password pair')"
    )


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        master = stack.enter_context(redis_server(folder))
        of = "--replicaof", f"127.0.0.1 {master.port}"
        replica = stack.enter_context(redis_server(folder, *of))
        until(partial(in_step, replica), "the replica is in step")
        port = free_port()
        settings = folder / "sentinel.conf"
        settings.write_text(
            f"""
            port {port}
            bind 127.0.0.1
            dir {folder}
            sentinel monitor service 127.0.0.1 {master.port} 1
            sentinel down-after-milliseconds service 1000
            sentinel failover-timeout service 3000
            """
        )
        command = [need("redis-sentinel", "redis-sentinel"), str(settings)]
        process = popen(command, stdout=subprocess.DEVNULL)
        sentinel = RedisServer(process, port, command)
        stack.callback(sentinel.stop)
        sentinel.wait()
        found = Watched([master, replica], sentinel)

        def replicas() -> bool:
            with sentinel.client as client:
                return bool(client.execute_command("SENTINEL REPLICAS", "service"))

        until(replicas, "the Sentinel knows the replica")
        yield found
