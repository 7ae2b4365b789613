"""What can happen to the file: nothing is lost, and no session is called missing that is not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from quart import Quart, session

from quart_idle import ConfigError, QuartIdle, StoreUnavailable
from quart_idle.policy import Limits
from quart_idle.stores import changing
from quart_idle.stores.base import Ended, Record, SessionLimit
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.disks import fill, small_disk
from tests.helpers.leash import popen
from tests.helpers.servers import NewClient, Serve, signed_in, start
from tests.helpers.waiting import until
from tests.store_contract import HERE, change, record

LIMITS = Limits(timeout=600.0)
TIMEOUT = 1.0
HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("held", flush=True)
sys.stdin.read()
"""


@asynccontextmanager
async def opened(path: Path, timeout: float = TIMEOUT) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path)
    store.bind(LIMITS, lambda *_: None, timeout=timeout)
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@contextmanager
def held(path: Path, *statements: str) -> Iterator[None]:
    """Another program that is at the file meanwhile."""
    process = popen(
        [sys.executable, "-c", HOLD, str(path), *statements],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield
        finally:
            process.kill()


async def unavailable(store: SQLiteStore, id: str, value: bytes = b"lost") -> str:
    """Why a session cannot be written now."""
    with pytest.raises(StoreUnavailable) as caught:
        await store.save(id, change({"a": value}))
    return repr(caught.value.__cause__ or caught.value)


# Another program.


async def test_while_another_program_holds_it_locked_sessions_are_read_and_not_written(
    path: Path,
) -> None:
    async with opened(path) as store:
        await store.create("id", change({"a": b"1"}))
        with held(path, "BEGIN IMMEDIATE"):
            for _ in range(2):
                since = time.monotonic()
                assert "another program holds it locked" in await unavailable(store, "id")
                assert time.monotonic() - since < 10 * TIMEOUT
                assert (await record(store)).data == {"a": b"1"}
        await store.save("id", change({"a": b"2"}))
        assert (await record(store)).data == {"a": b"2"}


async def test_a_program_that_holds_it_for_less_than_the_time_out_is_waited_for(
    path: Path,
) -> None:
    async with opened(path, timeout=60.0) as store:
        await store.create("id", change({"a": b"1"}))
        with held(path, "BEGIN IMMEDIATE"):
            saving = asyncio.create_task(store.save("id", change({"a": b"2"})))
            await asyncio.sleep(0.3)
            assert not saving.done()
        await saving
        assert (await record(store)).data == {"a": b"2"}


async def test_a_store_that_finds_it_locked_at_first_is_there_when_it_is_not(path: Path) -> None:
    async with opened(path) as store:
        await store.create("id", change({"a": b"1"}))
    with held(path, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"):
        async with opened(path) as store:
            with pytest.raises(StoreUnavailable):
                await store.load("id")
    async with opened(path) as store:
        assert (await record(store)).data == {"a": b"1"}


async def test_room_for_one_more_session_is_made_in_the_time_of_a_call_or_by_the_next_ones(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(book: Any, *about: Any) -> Any:
        time.sleep(0.1)
        return create(book, *about)

    create = changing.create
    async with opened(path, timeout=30.0) as store:
        for number in range(20):
            await store.create(f"a{number}", change({"a": b"1"}, user_id="ada"))
    async with opened(path, timeout=0.8) as store:
        await store.open()  # beside writes that are slow the file may not open in time
        monkeypatch.setattr(changing, "MOST_AT_ONCE", 1)  # as if they were tens of thousands
        monkeypatch.setattr(changing, "create", slowly)
        one_more = change({"a": b"1"}, user_id="ada")._replace(limit=SessionLimit(1))
        with pytest.raises(StoreUnavailable):
            await store.create("new", one_more)
        assert await store.load("new") is None

        async def is_there() -> bool:
            with suppress(StoreUnavailable):
                await store.create("new", one_more)
                return True
            return False

        await until(is_there, within=60)
        assert [one.id for one in await store.sessions_of("ada", 0, 10)] == ["new"]


# The disk.


async def test_on_a_full_disk_sessions_are_read_and_not_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2 * 1024 * 1024) as disk:
        async with opened(disk / "sessions.db", timeout=30.0) as store:
            await store.open()  # a disk that is full by then could not be read
            await store.create("id", change({"a": b"0", "large": bytes(30_000)}))
            await store.create("ended", change({"a": b"1"}))
            filler = fill(disk)
            saved = 0
            while await is_saved(store, saved + 1):  # there may be space in the file, or its log
                saved += 1
            assert "full" in await unavailable(store, "id", os.urandom(30_000))
            assert (await record(store)).data["a"] == b"%d" % saved
            filler.unlink()
            await until(lambda: is_saved(store, 7), within=60)
            assert (await record(store)).data["a"] == b"7"
            assert await store.end("ended", "signed out") == "ended"
        async with opened(disk / "sessions.db") as store:
            assert (await record(store)).data["a"] == b"7"
            assert isinstance(await store.load("ended"), Ended)


async def is_saved(store: SQLiteStore, number: int) -> bool:
    fields = {"a": b"%d" % number, "large": os.urandom(30_000)}
    try:
        return await store.save("id", change(fields)) is not None
    except StoreUnavailable:
        return False


async def test_a_request_that_cannot_be_written_to_a_full_disk_is_a_503_that_costs_nothing(
    tmp_path: Path, serve: Serve, client: NewClient
) -> None:
    with small_disk(tmp_path / "disk", 2 * 1024 * 1024) as disk:
        site = serve({"store": f"sqlite:///{disk}/sessions.db", "timeout": 600})
        user = await signed_in(site, client)
        filler = fill(disk)

        async def save() -> httpx.Response:
            return await user.post("/set", params={"a": os.urandom(5000).hex()})

        last = (await user.get("/")).json()
        for _ in range(1000):
            answer = await save()
            if answer.status_code == 503:
                break
            last = (await user.get("/")).json()
        assert answer.status_code == 503
        assert answer.json() == {"error": "come back later"}
        assert "Set-Cookie" not in answer.headers
        assert (await user.get("/")).json()["data"] == last["data"]
        filler.unlink()

        async def is_saved() -> bool:
            return (await save()).status_code == 200

        await until(is_saved, within=60)
        assert (await user.get("/")).json()["user"] == last["user"]
        assert site.stop() == 0
        assert "the disk is full" in site.text()
        assert "Traceback" not in site.text()


# Damage.


def overwrite(path: Path, content: bytes, start: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


@pytest.mark.parametrize("byte", [0x00, 0xFF, 0x41])
async def test_a_session_in_a_damaged_part_is_not_told_to_be_missing(path: Path, byte: int) -> None:
    ids = [f"{number:064x}" for number in range(300)]
    async with opened(path) as store:
        for id in ids:
            await store.create(id, change({"a": id.encode() * 4}))
    whole = await asyncio.to_thread(path.read_bytes)
    found = failed = 0
    for page in range(1, len(whole) // 4096):
        overwrite(path, whole, 0)
        overwrite(path, bytes([byte]) * 4096, page * 4096)
        try:
            async with opened(path) as store:
                for id in ids[::7]:
                    try:
                        found_now = await store.load(id)
                    except StoreUnavailable:
                        failed += 1
                    else:
                        assert isinstance(found_now, Record), (page, found_now)
                        assert found_now.data == {"a": id.encode() * 4}
                        found += 1
        except ConfigError:
            failed += 1
    assert found > 100
    assert failed > 20


async def test_damage_while_it_is_in_use_is_told_and_what_is_whole_goes_on(path: Path) -> None:
    ids = [f"{number:064x}" for number in range(2000)]
    async with opened(path, timeout=30.0) as store:
        await asyncio.gather(*(store.create(id, change({"a": bytes(1000)})) for id in ids))
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        overwrite(path, bytes(40 * 4096), 300 * 4096)
    async with opened(path) as store:
        told = []
        for id in ids:
            try:
                await record(store, id)
            except StoreUnavailable as error:
                told.append(repr(error.__cause__ or error))
        assert 0 < len(told) < 500
        assert "it is damaged: stop all workers" in told[0]


# At the start.


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_text("hello " * 1000), "is no SQLite database"),
        (lambda path: path.mkdir(), "is no file"),
    ],
    ids=["a text", "a folder"],
)
async def test_an_application_that_can_never_have_its_sessions_does_not_start(
    path: Path, make: Callable[[Path], object], why: str
) -> None:
    make(path)
    app = Quart("shop")
    QuartIdle(app, store=f"sqlite:///{path}")
    with pytest.raises(ConfigError, match=why):
        await app.startup()


def test_a_server_says_why_it_does_not_start(tmp_path: Path, path: Path) -> None:
    path.write_bytes(b"hello " * 1000)
    with pytest.raises(RuntimeError, match="did not start") as caught:
        start("tests.helpers.app:app", tmp_path, {"store": f"sqlite:///{path}"})
    assert f"the file {path} is no SQLite database" in str(caught.value)


async def test_without_a_start_a_wrong_file_is_a_503_with_a_line_in_the_log(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(path.write_text, "hello " * 1000)
    app = Quart("shop")
    QuartIdle(app, store=f"sqlite:///{path}")
    browser = app.test_client()
    browser.set_cookie("localhost", "session", "A" * 43)

    @app.route("/session")
    async def look() -> str:
        return str(session.get("a"))

    assert (await browser.get("/session")).status_code == 503
    (line,) = [line for line in caplog.messages if line.startswith("the store is not available")]
    assert f"the file {path} is no SQLite database" in line
    assert not any(entry.exc_info for entry in caplog.records)


async def test_an_application_that_finds_its_file_locked_starts_all_the_same(path: Path) -> None:
    async with opened(path) as store:
        await store.create("id", change({"a": b"1"}))
    app = Quart("shop")
    QuartIdle(app, store=f"sqlite:///{path}", store_timeout=0.3)
    with held(path, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"):
        await app.startup()
    await app.shutdown()


async def test_two_applications_that_share_a_file_and_a_prefix_are_told_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    apps = [Quart(name) for name in ("shop", "blog", "wiki")]
    for app, prefix in zip(apps, ("quart-idle", "quart-idle", "wiki"), strict=True):
        QuartIdle(app, store=f"sqlite:///{path}", key_prefix=prefix)
        await app.startup()
    for app in apps:
        await app.shutdown()
    (told,) = [line for line in caplog.messages if "key prefix" in line]
    assert "the application 'blog'" in told
    assert "'shop'" in told


async def test_applications_with_prefixes_of_their_own_share_a_file_and_nothing_else(
    path: Path,
) -> None:
    stores = [SQLiteStore(path), SQLiteStore(path)]
    for store, prefix in zip(stores, ("shop", "blog"), strict=True):
        store.bind(LIMITS, lambda *_: None, prefix, timeout=30.0)
    shop, blog = stores
    await shop.create("id", change({"a": b"1"}, user_id="ada"))
    assert await blog.load("id") is None
    assert await blog.save("id", change({"a": b"2"})) is None
    assert (await blog.renew({"id": HERE}))["id"] is None
    assert list(await blog.sessions_of("ada", 0, 10)) == []
    await blog.end_some("ada", "over")
    assert (await record(shop)).data == {"a": b"1"}
    for store in stores:
        await store.close()
