"""The browser client's code: its types, and what a linter says of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.client_files import MODULES, STATIC, served
from tests.helpers.npm import TOOLS, from_npm
from tests.helpers.site import MakeSite

pytestmark = pytest.mark.npm

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def tools(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tools and the client."""
    modules = from_npm(TOOLS, pytestconfig, tmp_path_factory)
    folder = tmp_path_factory.mktemp("client")
    (folder / "node_modules").symlink_to(modules)
    # A linter looks only at what is below its configuration.
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


# Which tokens there are, and in which lines; style sheets need no indentation. (espree is what
# eslint reads with.)
TOKENS = """
import { readFileSync } from "node:fs";
import { tokenize } from "espree";
for (const path of process.argv.slice(1)) {
  const options = { ecmaVersion: 2022, sourceType: "module", loc: true };
  const tokens = tokenize(readFileSync(path, "utf8"), options);
  console.log(JSON.stringify(tokens.map(({ type, value, loc }) =>
    [type, type === "Template" ? value.replace(/^[ ]+/gm, "") : value, loc.start.line, loc.end.line]
  )));
}
"""


async def test_what_is_served_is_the_same_program_with_each_token_in_its_line(
    tools: Path, site: MakeSite
) -> None:
    (tools / "served").mkdir()
    for name, text in (await served(await site().signed_in())).items():
        (tools / "served" / name).write_text(text)

    def tokens_in(folder: str) -> list[str]:
        command = ["node", "--input-type=module", "-e", TOKENS, "--"]
        paths = [f"{folder}/{name}" for name in sorted(MODULES)]
        found = subprocess.run(
            [*command, *paths], cwd=tools, capture_output=True, text=True, check=True
        )
        return found.stdout.splitlines()

    assert len(tokens_in("static")) == len(MODULES)
    assert tokens_in("served") == tokens_in("static")
