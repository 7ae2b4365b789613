"""The file: made for nobody else to read, brought up to date once, left alone if it is wrong."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from quart_idle import ConfigError
from quart_idle.stores.sqlite.database import DatabaseFile
from quart_idle.stores.sqlite.errors import explained
from quart_idle.stores.sqlite.file import KIND, File
from quart_idle.stores.sqlite.mounts import mount_of

FIRST = """
CREATE TABLE things (name TEXT PRIMARY KEY, size REAL);
CREATE TRIGGER small AFTER INSERT ON things BEGIN DELETE FROM things WHERE size < 0; END;
"""
SECOND = "ALTER TABLE things ADD COLUMN colour TEXT; UPDATE things SET colour = 'a;b';"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "sessions.db"


def write(path: Path, name: str = "one") -> None:
    with closing(File(path, [FIRST]).connect(10.0)) as connection:
        connection.execute("INSERT INTO things (name, size) VALUES (?, 1)", (name,))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Made.


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_only_its_owner_may_read_what_is_made_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with closing(File(path, [FIRST]).connect(10.0)):
            assert {each.name for each in path.parent.iterdir()} == {
                *("sessions.db", "sessions.db-wal", "sessions.db-shm")
            }
            assert {mode(each) for each in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700


def test_the_rights_of_what_is_there_are_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    path.parent.chmod(0o750)
    path.chmod(0o640)
    with closing(File(path, [FIRST]).connect(10.0)):
        assert {mode(each) for each in path.parent.iterdir()} == {0o640}
    assert mode(path.parent) == 0o750


@pytest.mark.parametrize("name", ["a b%20.db", "für Ada?#.db", os.fsdecode(b"\xff.db")])
def test_it_can_have_any_name(path: Path, name: str) -> None:
    write(path.with_name(name))
    assert [each.name for each in path.parent.iterdir()] == [name]


def test_its_writes_go_to_a_log_and_its_empty_pages_can_be_given_back(path: Path) -> None:
    with closing(File(path, [FIRST]).connect(10.0)) as connection:
        for pragma, value in (
            *(("journal_mode", "wal"), ("auto_vacuum", 2), ("application_id", KIND)),
            *(("user_version", 1), ("synchronous", 1)),
        ):
            assert connection.execute(f"PRAGMA {pragma}").fetchone() == (value,)


def test_a_backup_that_has_lost_its_log_gets_one(path: Path) -> None:
    write(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(path.with_name("backup.db")),))
    write(path.with_name("backup.db"), "two")
    with closing(File(path.with_name("backup.db"), [FIRST]).connect(10.0)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (2,)


def test_a_connection_that_reads_writes_nothing(path: Path) -> None:
    write(path)
    with (
        closing(File(path, [FIRST]).connect(10.0, reads=True)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM things")


def test_each_commit_waits_for_the_disk_where_that_was_chosen(path: Path) -> None:
    with closing(File(path, [FIRST], synced=True).connect(10.0)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_what_was_committed_can_be_sent_to_the_disk_and_takes_no_lock_away(path: Path) -> None:
    file = File(path, [FIRST])
    file.sync()
    with closing(file.connect(10.0)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        file.sync()
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0).execute('BEGIN IMMEDIATE')"
        found = subprocess.run([sys.executable, "-c", script, path], capture_output=True)
        assert b"database is locked" in found.stderr


# Brought up to date.


def test_however_many_open_it_at_once_it_is_brought_up_to_date_once(path: Path) -> None:
    slow = FIRST + "".join(f"CREATE TABLE t{number} (a);" for number in range(200))
    script = """
import sys
from pathlib import Path
from quart_idle.stores.sqlite.file import File
sys.stdin.readline()
connection = File(Path(sys.argv[1]), sys.argv[3:]).connect(60)
connection.execute("INSERT INTO things VALUES (?, 1, 'red')", (sys.argv[2],))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), str(number), slow, SECOND],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        for number in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=200)
        assert process.returncode == 0
    with closing(File(path, [slow, SECOND]).connect(10.0)) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (6,)


def test_an_older_one_is_brought_up_to_date_with_what_it_holds(path: Path) -> None:
    write(path)
    with closing(File(path, [FIRST, SECOND]).connect(10.0)) as connection:
        assert connection.execute("SELECT * FROM things").fetchall() == [("one", 1.0, "a;b")]
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_one_that_cannot_be_brought_up_to_date_is_as_it_was(path: Path) -> None:
    write(path)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        File(path, [FIRST, f"{SECOND} DROP TABLE missing;"]).connect(10.0)
    with closing(File(path, [FIRST]).connect(10.0)) as connection:
        assert connection.execute("SELECT * FROM things").fetchall() == [("one", 1.0)]


def test_others_wait_as_long_as_they_may_while_one_brings_it_up_to_date(path: Path) -> None:
    write(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        since = time.monotonic()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            File(path, [FIRST, SECOND]).connect(0.3)
        assert 0.2 < time.monotonic() - since < 30
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(File(path, [FIRST, SECOND]).connect, 60.0)
            assert not waiting.done()
            other.rollback()
            waiting.result(60).close()


# Wrong.


def wrong(path: Path, migrations: int = 1) -> str:
    """What is said of a file that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        File(path, [FIRST, SECOND][:migrations]).connect(1.0)
    text = str(caught.value)
    assert text.startswith(f"QUART_IDLE_STORE: the file {path} ")
    return text


def test_of_a_folder_that_is_missing_only_the_last_part_is_made(tmp_path: Path) -> None:
    path = tmp_path / "not" / "mounted" / "sessions.db"
    assert f"of its folder {path.parent}, only {tmp_path} is there" in wrong(path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_its_place_is_no_file(path: Path) -> None:
    path.mkdir(parents=True)
    assert "is no file" in wrong(path)


def test_a_file_in_the_place_of_its_folder_is_none(path: Path) -> None:
    path.parent.touch()
    assert "Not a directory" in wrong(path)


@contextmanager
def as_nobody() -> Iterator[Path]:
    """Have this process be one that may write little; a folder that it can get to."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        yield folder
    finally:
        os.seteuid(user)
        shutil.rmtree(folder)


def test_a_folder_that_may_not_be_written_is_told_of() -> None:
    with as_nobody() as folder:
        folder_of_others = folder if os.getuid() == 0 else Path("/")
        assert "Permission denied" in wrong(folder_of_others / "sessions.db")
        assert "Permission denied" in wrong(folder_of_others / "data" / "sessions.db")


def test_a_file_that_may_not_be_written_is_told_of_and_its_folder_too() -> None:
    with as_nobody() as folder:
        path = folder / "sessions.db"
        os.seteuid(0)
        write(path)
        os.seteuid(65534)
        assert f"may not write {path}" in wrong(path)
        os.seteuid(0)
        path.chmod(0o666)
        os.seteuid(65534)
        assert f"may not write {folder}" in wrong(path)


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a text": (lambda path: path.write_text("hello " * 1000), "is no SQLite database"),
    "a damaged beginning": (lambda path: overwrite(path, 0, 100), "is no SQLite database"),
    "a damaged table of tables": (lambda path: overwrite(path, 100, 3000), "or a damaged one"),
    "cut": (lambda path: os.truncate(path, 5000), "or a damaged one"),
    "another program's": (
        lambda path: run(path, "PRAGMA application_id = 7"),
        "is a database of another program",
    ),
    "another program's that does not say so": (
        lambda path: run(path, "PRAGMA application_id = 0"),
        "is a database of another program",
    ),
    "a newer version's": (
        lambda path: run(path, "PRAGMA user_version = 9"),
        "was written by a newer version of quart-idle (its tables have the version 9",
    ),
}


def overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(os.urandom(length))


def run(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("spoiled", SPOILED)
def test_one_that_is_not_ours_or_is_damaged_is_left_as_it_is(path: Path, spoiled: str) -> None:
    write(path)
    spoil, why = SPOILED[spoiled]
    spoil(path)
    before = path.read_bytes()
    for _ in range(2):
        text = wrong(path, 2)
        assert why in text
        assert "left as it is" in text
    assert path.read_bytes() == before


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    write(path)


def test_a_file_that_is_deleted_is_not_made_anew_in_secret(path: Path) -> None:
    file = File(path, [FIRST])
    file.connect(1.0).close()
    path.unlink()
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        file.connect(1.0)
    assert not path.exists()


@pytest.mark.parametrize("replace", [False, True])
def test_workers_whose_file_was_deleted_or_replaced_say_so(
    path: Path, replace: bool, caplog: pytest.LogCaptureFixture
) -> None:
    file = DatabaseFile(path, [FIRST])
    with closing(file.connect(writes=True)) as connection:
        file.tidy(connection)
        assert caplog.messages == []
        if replace:
            write(path.with_name("other.db"))
            path.with_name("other.db").rename(path)
        else:
            path.unlink()
        file.tidy(connection)
    (told,) = caplog.messages
    assert f"{path} was deleted or replaced" in told


# Where it is.

MOUNTS = r"""
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
25 21 0:22 / /srv rw shared:1 - nfs4 server:/srv rw,vers=4.2
26 25 0:23 / /srv/local\040disk rw shared:2 - xfs /dev/vdb rw
27 21 0:24 / /mnt/windows rw - cifs //server/share rw
28 21 0:25 / /mnt/ssh rw - fuse.sshfs ada@server: rw
29 21 254:0 /x /data/sessions.db rw - ext4 /dev/vda rw
30 21 0:26 / /covered rw - nfs server:/a rw
31 30 0:27 / /covered rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/var/lib/site/sessions.db", "ext4", False),
        ("/srv/sessions.db", "nfs4", True),
        ("/srv/local disk/site/sessions.db", "xfs", False),
        ("/srv/local disks/sessions.db", "nfs4", True),
        ("/mnt/windows/sessions.db", "cifs", True),
        ("/mnt/ssh/a/b/sessions.db", "fuse.sshfs", True),
        ("/data/sessions.db", "ext4", False),
        ("/covered/sessions.db", "tmpfs", False),
    ],
)
def test_a_network_file_system_is_known_by_its_kind(path: str, kind: str, network: bool) -> None:
    mount = mount_of(Path(path), MOUNTS)
    assert mount is not None
    assert (mount.kind, mount.is_of_a_network) == (kind, network)


def test_a_file_on_a_network_is_refused_before_anything_is_made(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = path.parent.parent / "mountinfo"
    mounts.write_text(f"21 1 0:22 / {path.parent.parent} rw - nfs4 server:/srv rw")
    monkeypatch.setattr("quart_idle.stores.sqlite.mounts._MOUNTS", mounts)
    text = wrong(path)
    assert f"a network file system (nfs4 at {path.parent.parent})" in text
    assert not path.parent.exists()


def test_a_file_that_is_mounted_by_itself_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = path.parent.parent / "mountinfo"
    mounts.write_text(f"21 1 0:22 / {path} rw - ext4 /dev/vda rw")
    monkeypatch.setattr("quart_idle.stores.sqlite.mounts._MOUNTS", mounts)
    assert "mount its folder" in wrong(path)


def test_where_mounts_are_not_told_of_nothing_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart_idle.stores.sqlite.mounts._MOUNTS", path)
    write(path)


# What is told of a failure.


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "another program holds it locked"),
        (sqlite3.SQLITE_FULL, "the disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, "the disk is full, or fails"),
        (sqlite3.SQLITE_CORRUPT, "put a backup in its place"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "it may not be written"),
    ],
)
def test_a_failure_is_told_in_words_that_help(path: Path, code: int, words: str) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_NAME"
    text = str(explained(error, path))
    assert text.startswith(f"{path}: ")
    assert words in text
    assert "SQLITE_NAME" in text


def test_a_failure_that_nobody_foresaw_is_told_in_its_own_words(path: Path) -> None:
    assert "no such table" in str(explained(sqlite3.OperationalError("no such table: x"), path))
