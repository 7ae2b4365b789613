"""The guide's table of what is tried in which engine is what is tried."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.engines.scenarios import BEYOND, ENGINES, engines_for

_HERE = Path(__file__).parent
_GUIDE = _HERE.parent.parent / "examples" / "pages" / "README.md"


def scenarios() -> Iterator[tuple[str, ...]]:
    """Each one's words, and what it needs, in the order of the files."""
    for path in sorted(_HERE.glob("test_*.py")):
        module = importlib.import_module(f"{__package__}.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_"):
                marks = getattr(test, "pytestmark", [])
                yield from (mark.args for mark in marks if mark.name == "scenario")


def table() -> str:
    rows = ["| what is tried | Chromium | Firefox | WebKit |", "| --- | --- | --- | --- |"]
    for words, *needs in scenarios():
        cells = [
            "yes" if it in engines_for(*needs) else f"no: {BEYOND[needs[0], it]}" for it in ENGINES
        ]
        rows.append(f"| {' | '.join([words, *cells])} |")
    return "\n".join(rows) + "\n"


def test_the_guide_s_table_is_what_is_tried() -> None:
    _, _, rest = _GUIDE.read_text().partition("<!-- drawn by tests/engines/test_table.py -->\n")
    assert rest.partition("<!-- end -->")[0] == table(), f"\n{table()}"


def test_what_is_not_tried_is_so_for_a_reason_and_needed_by_a_scenario() -> None:
    needed = {need for _, *needs in scenarios() for need in needs}
    assert {need for need, _ in BEYOND} == needed
    assert all(BEYOND.values())
