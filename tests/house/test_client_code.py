"""The browser client's code: its types, and what a linter says of it, where node and npm are."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp

import pytest

pytestmark = pytest.mark.tools

HERE = Path(__file__).parent
STATIC = HERE.parent.parent / "quart_idle" / "static"

TOOLS = {
    "typescript": "7.0.2",
    "eslint": "10.15.0",
    "@eslint/js": "10.0.1",
    "globals": "17.14.0",
}


@pytest.fixture(scope="module")
def tools(pytestconfig: pytest.Config) -> Path:
    """A folder in which the tools are installed; pytest's cache keeps it for the next time."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not here")
    cache = getattr(pytestconfig, "cache", None)
    folder = Path(cache.mkdir("quart-idle-npm") if cache else mkdtemp())
    versions = json.dumps(TOOLS)
    installed = folder / "installed.json"
    if not installed.exists() or installed.read_text() != versions:
        found = subprocess.run(
            [
                *("npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"),
                *("--ignore-scripts", "--prefix", "."),
                *(f"{name}@{version}" for name, version in TOOLS.items()),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if found.returncode:
            pytest.skip(f"npm could not install the tools: {found.stderr[-500:]}")
        installed.write_text(versions)
    # A linter looks only at what is below its configuration.
    shutil.rmtree(folder / "static", ignore_errors=True)
    shutil.copytree(STATIC, folder / "static")
    shutil.copy(HERE / "eslint.config.mjs", folder)
    config = json.loads((HERE / "tsconfig.json").read_text())
    (folder / "tsconfig.json").write_text(json.dumps({**config, "include": ["static/*"]}))
    return folder


def test_the_client_s_types_are_right_and_it_is_what_its_declaration_says(tools: Path) -> None:
    command = ["node_modules/.bin/tsc", "--project", "."]
    found = subprocess.run(command, cwd=tools, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
    looked = subprocess.run(
        [*command, "--listFilesOnly"], cwd=tools, capture_output=True, text=True
    )
    assert {path.name for path in STATIC.iterdir()} <= {
        Path(line).name for line in looked.stdout.splitlines()
    }


def test_a_linter_has_nothing_to_say_of_the_client(tools: Path) -> None:
    command = ["node_modules/.bin/eslint", "--max-warnings", "0", "static"]
    found = subprocess.run(command, cwd=tools, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr
