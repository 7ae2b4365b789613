"""How the house is built: floors, names, types and style."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import quart_idle

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "quart_idle"

# From the ground up. A module imports from the floors below its own, and from its own floor only
# what stands to its left.
FLOORS = [
    [
        "exceptions",
        "reasons",
        "policy",
        "protocol",
        "codec",
        "users",
        "states",
        "life",
        "servers",
        "quarts",
        "files",
        "browsers",
        "log",
        "tasks",
        "signals",
        "receivers",
        "siblings",
        "client",
    ],
    [
        "stores",
        "stores.attendance",
        "stores.records",
        "stores.base",
        "stores.asking",
        "stores.agenda",
        "stores.entry",
        "stores.changing",
        "stores.moving",
        "stores.memory.clock",
        "stores.memory.drafts",
        "stores.memory.lists",
        "stores.memory.events",
        "stores.memory.attendance",
        "stores.memory.sessions",
        "stores.memory.store",
        "stores.memory",
        "stores.sqlite.place",
        "stores.sqlite.errors",
        "stores.sqlite.mounts",
        "stores.sqlite.clock",
        "stores.sqlite.applications",
        "stores.sqlite.file",
        "stores.sqlite.tidying",
        "stores.sqlite.database",
        "stores.sqlite.schema",
        "stores.sqlite.packing",
        "stores.sqlite.rows",
        "stores.sqlite.thread",
        "stores.sqlite.lane",
        "stores.sqlite.opening",
        "stores.sqlite.book",
        "stores.sqlite.ends",
        "stores.sqlite.drafts",
        "stores.sqlite.attendance",
        "stores.sqlite.hearing",
        "stores.sqlite.reading",
        "stores.sqlite.writing",
        "stores.sqlite.ticker",
        "stores.sqlite.sweep",
        "stores.sqlite.upkeep",
        "stores.sqlite.running",
        "stores.sqlite.store",
        "stores.sqlite.moving",
        "stores.sqlite",
        "stores.redis.packing",
        "stores.redis.keys",
        "stores.redis.scripts",
        "stores.redis.clock",
        "stores.redis.connection",
        "stores.redis.trips",
        "stores.redis.cluster",
        "stores.redis.calls",
        "stores.redis.lists",
        "stores.redis.events",
        "stores.redis.attendance",
        "stores.redis.check",
        "stores.redis.hearing",
        "stores.redis.sweep",
        "stores.redis.urls",
        "stores.redis.sessions",
        "stores.redis.running",
        "stores.redis.store",
        "stores.redis.layout",
        "stores.redis.moving",
        "stores.redis",
        "stores.urls",
        "move",
        "cli",
        "__main__",
        "config_values",
        "cookies",
        "regeneration",
        "contents",
        "request_session",
        "session_mapping",
        "session",
        "drafts",
        "config",
        "origins",
    ],
    [
        "bodies",
        "renewals",
        "checks",
        "reports",
        "sessions",
        "online",
        "devices",
        "ends",
        "events",
        "writing",
        "request_activity",
        "answering",
        "interface",
        "presence.activity",
        "presence.sending",
        "presence.wheel",
        "presence.stored",
        "presence.open_session",
        "presence.deadlines",
        "presence.bonds",
        "presence.pages",
        "presence.socket",
        "presence.connection",
        "presence.streaming",
        "presence",
        "bound",
        "fresh",
        "routes",
        "front",
        "templates",
        "data_view",
        "draft_view",
        "session_view",
    ],
    ["extension"],
    [""],
    ["ext", "ext.quart_auth.settings", "ext.quart_auth.idle_auth", "ext.quart_auth"],
]
ORDER = {
    name: (floor, place) for floor, names in enumerate(FLOORS) for place, name in enumerate(names)
}
# What stands behind these folders' doors is no concern of the rooms outside.
ONE_ENTRY = ["presence", "stores.memory", "stores.redis", "stores.sqlite"]
PURE = [
    "policy",
    "protocol",
    "codec",
    "states",
    "life",
    "reasons",
    "stores.attendance",
    "stores.records",
    "stores.entry",
    *(f"stores.redis.{it}" for it in ("packing", "keys", "clock", "layout")),
    "stores.changing",
    "stores.moving",
    "stores.sqlite.packing",
]
KNOW_QUART = {
    "answering",
    "request_activity",
    "bound",
    "fresh",
    "front",
    "checks",
    "interface",
    "extension",
    "quarts",
    "data_view",
    "draft_view",
    "session_view",
    "ext.quart_auth.settings",
    "ext.quart_auth.idle_auth",
    "receivers",
    "ends",
    "events",
    "files",
    "siblings",
    "templates",
}
KNOW_REDIS = {
    f"stores.redis.{name}"
    for name in ("connection", "trips", "cluster", "check", "urls", "running", "store", "moving")
}
KNOW_ASGI = KNOW_QUART | {
    *("presence.sending", "presence.stored", "presence.open_session"),
    *(
        "presence.pages",
        "presence.bonds",
        "presence.socket",
        "presence.connection",
        "presence.streaming",
        "routes",
        "bodies",
        "cookies",
        "devices",
        "origins",
    ),
}


def name_of(path: Path) -> str:
    """A module's name below the package's; that of the package itself is empty."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(name: str) -> Iterator[tuple[str, list[str]]]:
    """What a module imports: modules by their full names, and the names from them."""
    path = MODULES[name]
    package = ("quart_idle." + name).rstrip(".").split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            names = [alias.name for alias in node.names]
            if module == "quart_idle":  # from . import protocol
                yield from ((f"quart_idle.{item}", []) for item in names)
            else:
                yield module, names


def own_imports(name: str) -> set[str]:
    return {
        module.removeprefix("quart_idle").lstrip(".")
        for module, _ in imports(name)
        if module.partition(".")[0] == "quart_idle"
    }


def test_every_module_has_its_floor() -> None:
    assert set(MODULES) == set(ORDER)


@pytest.mark.parametrize("name", MODULES)
def test_imports_run_downwards_only(name: str) -> None:
    upwards = {other for other in own_imports(name) if ORDER[other] >= ORDER[name]}
    assert upwards == set()


@pytest.mark.parametrize("folder", ONE_ENTRY)
def test_a_folder_has_one_entry(folder: str) -> None:
    outside = (name for name in MODULES if not f"{name}.".startswith(f"{folder}."))
    around = {(name, other) for name in outside for other in own_imports(name)}
    assert folder in {other for _, other in around}
    assert {pair for pair in around if pair[1].startswith(f"{folder}.")} == set()


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_have_no_input_output_loop_or_clock(name: str) -> None:
    found = {module.partition(".")[0] for module, _ in imports(name)}
    allowed = {
        *("__future__", "base64", "collections", "dataclasses", "datetime", "decimal", "enum"),
        *(
            "functools",
            "hashlib",
            "json",
            "markupsafe",
            "math",
            "quart_idle",
            "re",
            "struct",
            "typing",
        ),
        "uuid",
    }
    assert found <= allowed
    assert own_imports(name) <= {
        *("exceptions", "policy", "reasons", "states", "stores.base", "stores.records"),
        *("stores.entry", "stores.changing", "stores.moving"),
        *("stores.redis.keys", "stores.redis.packing"),
    }
    calls = {
        node.func.attr
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & {"now", "utcnow", "today", "time", "monotonic"}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - KNOW_QUART))
def test_only_what_is_said_so_knows_quart(name: str) -> None:
    known = {
        (module, item)
        for module, items in imports(name)
        for item in items or [""]
        if module.partition(".")[0] in {"quart", "flask", "hypercorn", "werkzeug"}
    }
    allowed = {
        ("flask.sessions", "SessionMixin"),  # what `quart.session` is
        ("werkzeug.exceptions", "ServiceUnavailable"),  # what a 503 is
        ("werkzeug.exceptions", "Conflict"),  # what a 409 is
        ("werkzeug.exceptions", "Unauthorized"),  # what a 401 is
    }
    asgi = {pair for pair in known if pair[0] == "hypercorn.typing"}
    assert known - asgi <= allowed
    assert not asgi or name in KNOW_ASGI


@pytest.mark.parametrize("name", MODULES)
def test_only_the_redis_store_knows_redis(name: str) -> None:
    found = {module.partition(".")[0] for module, _ in imports(name)}
    assert not found & {"redis", "hiredis", "aioredis"} or name in KNOW_REDIS


@pytest.mark.parametrize("name", MODULES)
def test_only_the_sqlite_store_knows_sqlite(name: str) -> None:
    found = {module.partition(".")[0] for module, _ in imports(name)}
    assert "sqlite3" not in found or name.startswith("stores.sqlite.")


@pytest.mark.parametrize("name", MODULES)
def test_only_drafts_know_cryptography(name: str) -> None:
    found = {module.partition(".")[0] for module, _ in imports(name)}
    assert "cryptography" not in found or name == "drafts"


@pytest.mark.parametrize("name", MODULES)
def test_only_its_own_module_knows_quart_auth(name: str) -> None:
    found = {module.partition(".")[0] for module, _ in imports(name)}
    assert "quart_auth" not in found or name.startswith("ext.quart_auth")


@pytest.mark.parametrize("name", MODULES)
def test_only_what_names_browsers_knows_ua_parser(name: str) -> None:
    found = {module.partition(".")[0] for module, _ in imports(name)}
    assert "ua_parser" not in found or name == "browsers"


def test_without_its_extras_the_package_works() -> None:
    code = """
import sys
sys.modules["redis"] = sys.modules["cryptography"] = sys.modules["quart_auth"] = None
sys.modules["ua_parser"] = None
import quart, quart_idle
quart_idle.QuartIdle(quart.Quart("app"))
"""
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, cwd=ROOT
    )
    assert found.returncode == 0, found.stderr.decode()


# Names.


def test_the_package_s_own_module_has_the_public_names_and_nothing_else() -> None:
    tree = ast.parse(MODULES[""].read_text())
    assert {type(node) for node in tree.body} == {ast.Expr, ast.ImportFrom, ast.Assign}
    imported = {item for _, items in imports("") for item in items}
    assert imported == set(quart_idle.__all__)
    assert quart_idle.__all__ == sorted(quart_idle.__all__)


def documented(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    """A public thing, and what is public in it."""
    yield name, thing
    if inspect.isclass(thing):
        for key, value in vars(thing).items():
            if not key.startswith("_") and (
                inspect.isfunction(value) or isinstance(value, property | staticmethod)
            ):
                yield f"{name}.{key}", value


# What a class has from a protocol or a base is documented there.
INHERITED = {"MemoryStore", "Session.permanent"}
THINGS = [
    pair
    for name in quart_idle.__all__
    for pair in documented(name, getattr(quart_idle, name))
    if pair[0].partition(".")[0] not in INHERITED or "." not in pair[0]
]


@pytest.mark.parametrize(("name", "thing"), THINGS, ids=[name for name, _ in THINGS])
def test_every_public_name_is_documented(name: str, thing: Any) -> None:
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    assert text, name
    assert len(text.strip()) > 10


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name: str) -> None:
    module: ModuleType = importlib.import_module(f"quart_idle.{name}".rstrip("."))
    assert module.__doc__


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


# Tools.


@pytest.mark.parametrize(
    "tool",
    [("mypy",), ("ruff", "check", "."), ("ruff", "format", "--check", ".")],
    ids=" ".join,
)
def test_the_tools_have_nothing_to_say(tool: tuple[str, ...]) -> None:
    found = subprocess.run([sys.executable, "-m", *tool], capture_output=True, text=True, cwd=ROOT)
    missing = f"No module named {tool[0]}" in found.stderr
    assert not missing, f"{tool[0]} is missing: pip install -e '.[test,dev]'"
    assert found.returncode == 0, found.stdout + found.stderr
