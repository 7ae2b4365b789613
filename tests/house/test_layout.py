"""How the tests are laid out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MODULES = sorted((ROOT / "tests").rglob("*.py"))
HELPERS = [path for path in MODULES if ROOT / "tests" / "helpers" in path.parents]
# Not a module of tests, but what those of a store inherit.
SHARED = {"tests.contract", "tests.helpers", "tests.store_contract"}


def own_imports(path: Path) -> Iterator[str]:
    """The modules of the tests that a module of the tests imports."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("tests"))
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *filter(None, [node.module])])
            if module.partition(".")[0] == "tests":
                yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_what_tests_share_is_in_the_helpers(path: Path) -> None:
    folder = ".".join(path.relative_to(ROOT).parts[:2])
    for name in own_imports(path):
        if folder == "tests.benchmarks" and name.startswith(folder):
            continue
        assert ".".join(name.split(".")[:2]) in SHARED, name


@pytest.mark.parametrize("path", HELPERS, ids=lambda path: str(path.stem))
def test_helpers_are_no_tests_and_have_none(path: Path) -> None:
    names = [getattr(node, "name", None) or "" for node in ast.walk(ast.parse(path.read_text()))]
    assert [name for name in [path.stem, *names] if name.startswith("test_")] == []


def test_the_map_has_each_module_in_its_place() -> None:
    picture = CONTRIBUTING.partition("```text\nquart_idle/\n")[2].partition("```")[0]
    folders: dict[int, str] = {}
    mapped = []
    for margin, name in re.findall(r"^( +)([\w.-]+(?:/|\.py)) ", picture, re.MULTILINE):
        folder = folders.get(len(margin) - 2, "")
        folders[len(margin)] = folder + name
        if name.endswith(".py"):
            mapped.append(folder + name)
    package = ROOT / "quart_idle"
    modules = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    doors = {name for name in modules if name.endswith("/__init__.py")}  # a folder's own line
    assert sorted(mapped) == sorted(modules - doors)


def test_a_promise_s_tests_are_found_by_its_number() -> None:
    text = CONTRIBUTING.partition("\n## Promises\n")[2].partition("\n## ")[0]
    promises = re.findall(r"^(\d)\. \*\*(.+?)\.\*\*", text, re.MULTILINE)
    assert [int(number) for number, _ in promises] == list(range(1, 9))
    files = {path.stem: path for path in (ROOT / "tests" / "promises").glob("test_*.py")}
    for number, title in promises:
        words = "_".join(re.findall(r"[a-z]+", title.lower()))
        own = [path for stem, path in files.items() if stem.startswith(f"test_{number}_")]
        assert f"test_{number}_{words}" in files
        for path in own:
            assert path.read_text().startswith(f'"""Promise {number}: ')
            del files[path.stem]
    assert not files
    for path in re.findall(r"`(tests/.*?)`", text):
        assert (ROOT / path).exists(), path
