"""``examples/deploy`` on one host: its sessions in a file, its unit for systemd, its backup."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from tests.helpers.leash import popen
from tests.helpers.listings import blocks
from tests.helpers.own_mounts import with_own_mounts
from tests.helpers.redis_servers import need
from tests.helpers.servers import Server
from tests.helpers.waiting import until

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "examples" / "deploy"
GUIDE = "examples/deploy/README.md"
UNIT = (FOLDER / "site.service").read_text()
STATE = "/var/lib/site"
PATIENCE = 60


def setting(name: str) -> str:
    """What the unit says of something, once."""
    (found,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(found)


# The unit.


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the paths of this checkout in it."""
    program = Path(sys.executable).with_name("hypercorn")
    text = UNIT.replace("/srv/site/.venv/bin/hypercorn", str(program))
    path = tmp_path / "site.service"
    path.write_text(text.replace("WorkingDirectory=/srv/site", f"WorkingDirectory={ROOT}"))
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [need("systemd-analyze", "systemd"), *arguments], capture_output=True, text=True
    )


def test_systemd_has_nothing_to_say_about_the_unit(unit: Path) -> None:
    found = analyze("verify", unit)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_systemd_would_say_so_if_a_line_of_it_were_wrong(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem", "ProtectSystems"))
    assert "ProtectSystems" in analyze("verify", unit).stderr


def test_the_service_is_exposed_to_little(unit: Path) -> None:
    found = analyze("security", "--offline=yes", unit)
    (level,) = re.findall(r"exposure level for site\.service: ([\d.]+)", found.stdout)
    assert float(level) < 2.0


def test_the_unit_runs_what_the_guide_does_and_may_write_where_the_sessions_are() -> None:
    command = next(line for line in blocks("sh", GUIDE)[0].splitlines())
    assert setting("ExecStart") == f"/srv/site/.venv/bin/{command}"
    assert f"/var/lib/{setting('StateDirectory')}" == STATE
    name, _, url = setting("Environment").partition("=")
    assert (name, url) == ("SITE_QUART_IDLE_STORE", f"sqlite:///{STATE}/sessions.db")
    guide = (FOLDER / "README.md").read_text()
    for line in ("ExecReload=/bin/kill -HUP $MAINPID", "KillMode=mixed"):
        assert line in guide
        assert line in UNIT
    assert "\nProcSubset" not in UNIT  # which hides by what a start of the host is told


# The application, where it may write what the unit lets it.

# Everything but the folder of the state, devices and the kernel's is read-only, as with
# ProtectSystem=strict.
CONFINED = """
set -e
points=$(awk '{ print $5 }' /proc/self/mountinfo | grep -vE '^/(dev|proc|sys)(/|$)')
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/site
mount --bind "$STATE" /var/lib/site
for point in $points /var/lib; do mount -o remount,bind,ro "$point"; done
exec "$@"
"""


def confined(state: Path, *command: str) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "STATE": str(state)}
    return with_own_mounts("sh", "-c", CONFINED, "sh", *command), environment


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """What is `/var/lib/site` to the application."""
    state = tmp_path / "state"
    state.mkdir(int(setting("StateDirectoryMode"), 8))
    command, environment = confined(state, "true")
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    if found.returncode:
        pytest.fail(f"nothing can be mounted here: {found.stderr}")
    return state


class Site:
    """The unit's command, started and started again."""

    def __init__(self, state: Path, folder: Path) -> None:
        self._state = state
        self._folder = folder
        self.server: Server

    def start(self) -> None:
        program, *arguments = setting("ExecStart").split()
        assert program.endswith("/hypercorn")
        command, environment = confined(
            self._state, sys.executable, "-m", "hypercorn", "--bind", "127.0.0.1:0", *arguments
        )
        name, _, url = setting("Environment").partition("=")
        log = self._folder / f"{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            process = popen(
                command,
                cwd=ROOT,
                env={**environment, name: url},
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=int(setting("UMask"), 8),
            )
        give_up = time.monotonic() + PATIENCE
        found: list[str] = []
        while len(found) < 2:  # both workers
            found = re.findall(r"Running on http://127.0.0.1:(\d+)", log.read_text())
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, log.read_text()
            time.sleep(0.05)
        self.server = Server(process, int(found[0]), log)

    def kill(self) -> None:
        """All of it at once."""
        os.killpg(self.server.process.pid, signal.SIGKILL)
        self.server.process.wait()

    @asynccontextmanager
    async def browser(
        self, cookies: httpx.Cookies | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        async with httpx.AsyncClient(
            base_url=self.server.url, cookies=cookies, timeout=PATIENCE
        ) as browser:
            yield browser

    async def greeting(self, cookies: httpx.Cookies) -> str:
        async with self.browser(cookies) as browser:
            try:
                return (await browser.get("/")).text
            except httpx.TransportError as error:
                raise AssertionError(self.server.text()) from error

    async def signed_in(self, name: str) -> httpx.Cookies:
        async with self.browser() as browser:
            assert (await browser.post("/", data={"name": name})).status_code == 302
            return browser.cookies


@pytest.fixture
def site(state: Path, tmp_path: Path) -> Iterator[Site]:
    site = Site(state, tmp_path)
    site.start()
    yield site
    site.kill()


def test_what_is_confined_can_write_nowhere_else(state: Path) -> None:
    places = f"{ROOT} /tmp /var/lib $HOME"
    script = f"for place in {places}; do touch $place/x && exit 1; done; touch {STATE}/x"
    command, environment = confined(state, "sh", "-c", script)
    assert subprocess.run(command, env=environment, capture_output=True).returncode == 0
    assert (state / "x").exists()


async def test_sessions_outlive_restarts_and_kills_and_nobody_else_may_read_them(
    site: Site, state: Path
) -> None:
    ada = await site.signed_in("Ada")
    assert "Hello Ada" in await site.greeting(ada)
    site.server.process.send_signal(signal.SIGHUP)
    await until(lambda: site.server.text().count("Running on") >= 4, within=PATIENCE)
    assert "Hello Ada" in await site.greeting(ada)
    site.kill()
    site.start()
    assert "Hello Ada" in await site.greeting(ada)
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in os.scandir(state)}
    assert set(files.values()) == {0o600}
    assert {name.partition("-")[0] for name in files} == {"sessions.db"}


async def test_a_backup_by_the_guide_s_command_has_all_while_requests_go_on(
    site: Site, state: Path, tmp_path: Path
) -> None:
    ada, bob = [await site.signed_in(name) for name in ("Ada", "Bob")]
    copy = tmp_path / "site.db"
    (command,) = [text.strip() for text in blocks("sh", GUIDE) if "backup" in text]
    command = command.replace(f"{STATE}/", f"{state}/").replace("/var/backups/site.db", str(copy))
    assert await (await asyncio.create_subprocess_shell(command)).wait() == 0
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    async with site.browser(bob) as browser:
        await browser.post("/sign-out", headers={"Origin": site.server.url})
    assert "Hello Bob" not in await site.greeting(bob)
    # Back to it, as the guide says.
    site.kill()
    for name in ("sessions.db-wal", "sessions.db-shm"):
        (state / name).unlink()
    shutil.copy(copy, state / "sessions.db")
    site.start()
    assert "Hello Ada" in await site.greeting(ada)
    assert "Hello Bob" in await site.greeting(bob), "the guide says that ends are gone"
