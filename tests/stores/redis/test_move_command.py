"""``python -m quart_idle move``: what operators see of it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quart_idle.cli import main
from quart_idle.stores.base import Ended, Record
from quart_idle.stores.redis import RedisStore
from tests.contract.common import change
from tests.contract.moving import DAYS
from tests.helpers.leash import popen
from tests.helpers.listings import blocks
from tests.helpers.redis_servers import Cluster, RedisServer, free_port, unknown_master

SECRET = "a-Secret"  # noqa: S105  (a test's own)


def command(
    *arguments: str, out: Any = subprocess.PIPE, errors: Any = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    # Whoever runs the tests in the background may have told all below to leave Ctrl-C alone. Some
    # terminals have no letters but ASCII's.
    return popen(
        [
            *("env", "--default-signal=INT", "PYTHONIOENCODING=ascii"),
            *(sys.executable, "-W", "error", "-m", "quart_idle"),
            *arguments,
        ],
        stdout=out,
        stderr=errors,
    )


def run(*arguments: str) -> tuple[int, str, str]:
    process = command(*arguments)
    out, errors = process.communicate(timeout=120)
    return process.returncode, out.decode(), errors.decode()


async def filled(url: str, prefix: str = "quart-idle", many: int = 3) -> None:
    store = RedisStore(url)
    store.bind(DAYS, lambda *_: None, prefix, 10.0)
    await asyncio.gather(
        *(
            store.create(f"{number % 256:02x}{number}", change({"a": b"1"}))
            for number in range(many)
        )
    )
    await store.end("000", "enough")
    await store.close()


async def test_it_moves_and_says_what_it_moved(server: RedisServer) -> None:
    await filled(server.url, "old", 1200)
    prefixes = "--prefix", "old", "--target-prefix", "new"
    with server.client as client:
        client.acl_setuser(
            *("mover", True, False, [f"+{SECRET}"]),
            commands=["+@all"],
            keys=["*"],
            channels=["*"],
        )
        with_password = server.url.replace("//", f"//mover:{SECRET}@")
        code, out, errors = run("move", with_password, with_password + "/0", *prefixes)
        client.acl_deluser("mover")
    assert (code, errors) == (0, "")
    assert SECRET not in out
    first, second, last = (line for line in out.splitlines() if not line.startswith("..."))
    assert first.startswith("round 1: 1,200 read; moved: 1,199 sessions, 1 ended ones, 0 drafts")
    assert re.match("round 2: 1,200 read; changed meanwhile: 0 sessions, 0 ended ones", second)
    assert last == "done: 1,199 living sessions of SOURCE are in TARGET"
    store = RedisStore(server.url)
    store.bind(DAYS, lambda *_: None, "new", 10.0)
    assert isinstance(await store.load("011"), Record)
    await store.close()


async def test_the_guide_s_command_moves(server: RedisServer, running_cluster: Cluster) -> None:
    await filled(server.url)
    (line,) = blocks("sh", "examples/deploy/README.md")[-1].splitlines()
    python, *arguments = line.replace("redis://old-host", server.url).split()
    assert python == "python"
    assert arguments[:3] == ["-m", "quart_idle", "move"]
    target = running_cluster.url
    code, out, _ = run("move", *(target if "new-host" in one else one for one in arguments[3:]))
    assert code == 0
    assert out.endswith("done: 2 living sessions of SOURCE are in TARGET\n")


async def test_it_moves_out_of_a_file_and_into_one(server: RedisServer, tmp_path: Path) -> None:
    await filled(server.url, many=700)
    file = f"sqlite:///{tmp_path}/sessions.db"
    for source, target in ((server.url, file), (file, server.url)):
        code, out, errors = run("move", source, target)
        assert (code, errors) == (0, "")
        assert out.endswith("done: 699 living sessions of SOURCE are in TARGET\n")
        with server.client as client:
            client.flushall()
    assert run("move", file, server.url)[0] == 0
    store = RedisStore(server.url)
    store.bind(DAYS, lambda *_: None, timeout=10.0)
    assert isinstance(await store.load("011"), Record)
    ended = await store.load("000")
    assert isinstance(ended, Ended)
    assert ended.reason == "enough"
    await store.close()


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        (f"redis://u:{SECRET}@h/#", "redis://h", "SOURCE is a redis:// URL that is wrong"),
        ("redis://h", f"redis://u:{SECRET}@h/#", "TARGET is a redis:// URL that is wrong"),
        ("memory://", "redis://h", "SOURCE is memory://: those sessions are in the application's"),
        (f"nosql://{SECRET}", "redis://h", "SOURCE names a store nosql:// that is not known"),
        (f"redis://u:12?{SECRET}@h", "redis://h", "SOURCE is a redis:// URL that is wrong"),
        (f"redis+cluster://u:1?{SECRET}@h", "redis://h", "SOURCE is a redis+cluster:// URL"),
    ],
)
def test_a_wrong_call_is_told_without_secrets(source: str, target: str, told: str) -> None:
    code, out, errors = run("move", source, target)
    assert (code, out) == (2, "")
    assert errors.startswith(f"error: {told}")
    assert SECRET not in errors


async def test_a_store_is_known_by_whatever_name(server: RedisServer, tmp_path: Path) -> None:
    await filled(server.url)
    path = tmp_path / "sessions.db"
    assert run("move", server.url, f"sqlite:///{path}")[0] == 0
    for source, target in (
        (server.url, server.url),
        (server.url, server.url.replace("127.0.0.1", "localhost") + "/0"),
        (f"sqlite:///{path}", f"sqlite:///{tmp_path}/./{path.name}"),
    ):
        code, out, errors = run("move", source, target)
        assert (code, out) == (2, "")
        assert errors.startswith("error: SOURCE and TARGET are the same store")
        assert errors.endswith(": begin with an empty target\n")


@pytest.mark.parametrize(("make", "why"), [(None, "is not there"), (Path.touch, "is empty")])
def test_a_source_that_is_no_store_is_told_and_nothing_is_made(
    server: RedisServer, tmp_path: Path, make: Any, why: str
) -> None:
    path = tmp_path / "sesions.db"
    if make:
        make(path)
    code, out, errors = run("move", f"sqlite:///{path}", server.url)
    assert (code, out, errors) == (2, "", f"error: SOURCE: the file {path} {why}\n")
    assert [(file.name, file.stat().st_size) for file in tmp_path.iterdir()] == (
        [(path.name, 0)] if make else []
    )


async def test_what_cannot_be_read_is_named_and_the_rest_is_moved(server: RedisServer) -> None:
    await filled(server.url)
    with server.client as client:
        client.hset("quart-idle:{01}1", b"\xff", b"spoilt")
    code, out, errors = run("move", server.url, server.url, "--target-prefix", "new")
    assert code == 1
    assert "moved: 1 sessions, 1 ended ones" in out
    assert errors.splitlines() == [
        "SOURCE cannot read the session 011: it stays as it is",
        "error: 1 could not be read; all else is moved",
    ]


async def test_it_goes_on_where_nobody_reads_what_it_says(server: RedisServer) -> None:
    await filled(server.url, many=2000)
    process = command("move", server.url, server.url, "--target-prefix", "new")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = await asyncio.to_thread(process.communicate, timeout=120)
    assert (process.returncode, errors) == (0, b"")
    with server.client as client:
        assert len(client.keys("new:{*}*[0-9]")) == 2000


async def test_it_goes_on_where_nobody_reads_its_errors_either(server: RedisServer) -> None:
    await filled(server.url, many=2000)
    with server.client as client:
        client.hset("quart-idle:{01}1", b"\xff", b"spoilt")
    arguments = "move", server.url, server.url, "--target-prefix"
    piped = command(*arguments, "piped", errors=subprocess.STDOUT)
    assert piped.stdout is not None
    piped.stdout.close()
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230
        filling = command(*arguments, "full", out=full, errors=full)
    assert [await asyncio.to_thread(one.wait, 120) for one in (piped, filling)] == [1, 1]
    with server.client as client:
        for prefix in "piped", "full":
            assert len(client.keys(f"{prefix}:{{*}}*[0-9]")) == 1999


@pytest.mark.parametrize(
    "arguments",
    [
        (f"redis://u:{SECRET}@h", "redis://g"),
        ("move", "redis://h", "redis://g", f"redis://u:{SECRET}@i"),
        ("move", f"redis://u:{SECRET}@h"),
        ("move", "redis://h", "redis://g", f"--redis://u:{SECRET}@i"),
    ],
)
def test_a_call_of_the_wrong_form_is_told_without_secrets(arguments: tuple[str, ...]) -> None:
    code, out, errors = run(*arguments)
    assert (code, out) == (2, "")
    assert errors.startswith("usage: python -m quart_idle")
    assert errors.endswith("error: an argument is missing, or is one too many or not known\n")
    assert SECRET not in errors


async def test_a_store_that_does_not_answer_is_told(server: RedisServer) -> None:
    await filled(server.url)
    nobody = f"redis://u:{SECRET}@127.0.0.1:{free_port()}"
    for urls, which in (((nobody, server.url), "SOURCE"), ((server.url, nobody), "TARGET")):
        code, out, errors = run("move", *urls)
        assert (code, out) == (1, "")
        assert errors.startswith(f"error: {which} does not answer: ")
        assert SECRET not in errors


def test_a_sentinel_s_password_is_not_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redis.asyncio.sentinel.Sentinel.discover_master", unknown_master)
    assert main(["move", "redis+sentinel://h/service", "redis://h"]) == 1
    assert capsys.readouterr() == (
        "",
        "error: SOURCE does not answer: MasterNotFoundError: no Sentinel names a master called "
        "'service' (AuthenticationError)\n",
    )


def test_a_source_without_sessions_is_told(server: RedisServer) -> None:
    code, _, errors = run("move", server.url, server.url, "--target-prefix", "new")
    assert code == 1
    assert errors == "error: SOURCE has no living session under the prefix 'quart-idle'\n"


async def test_ctrl_c_stops_it_without_a_traceback_and_it_can_be_run_again(
    server: RedisServer,
) -> None:
    await filled(server.url, many=20_000)
    arguments = "move", server.url, server.url, "--target-prefix", "new"
    process = command(*arguments)
    assert process.stdout is not None
    assert (await asyncio.to_thread(process.stdout.readline)).decode().startswith("... ")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.decode() == (
        "stopped. What was moved stays moved, and nothing is lost: run it again.\n"
    )
    code, out, _ = run(*arguments)
    assert code == 0
    assert out.endswith("done: 19,999 living sessions of SOURCE are in TARGET\n")
