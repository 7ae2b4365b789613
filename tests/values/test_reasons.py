"""The reasons of ends stand in one place; who cannot import it says the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import quart_idle
from quart_idle.reasons import BY_TIME, REASONS, UNKNOWN, text_name
from quart_idle.templates import TEXTS

PACKAGE = Path(quart_idle.__file__).parent
CLIENT = "\n".join(path.read_text() for path in sorted((PACKAGE / "static").rglob("*.js")))

# Where such a word is another thing: a setting, a page's word, an event.
OTHER_WORDS = {
    "config.py": {"lifetime"},
    "protocol.py": {"idle", "closed"},
    "session_view.py": {"limit"},
    "states.py": {"signed out", "regenerated", "unknown"},
}


def test_the_client_has_a_text_for_each_reason_and_for_no_other() -> None:
    quoted = set(re.findall(r'"(by [^"]+)"\s*:', CLIENT))
    assert quoted == {text_name(reason) for reason in REASONS} <= set(TEXTS)


def test_the_client_knows_after_which_ends_one_may_come_back() -> None:
    lists = re.findall(r"[(\[{]([^()\[\]{}]*\blifetime\b[^()\[\]{}]*)[)\]}]", CLIENT)
    lists = [words for words in lists if re.search(r"\bidle\b", words) and "by " not in words]
    assert lists
    for words in lists:
        assert set(re.findall(r"[a-z][a-z ]*[a-z]", words)) == {*BY_TIME, UNKNOWN}, words


def test_no_other_part_spells_a_reason_out() -> None:
    spelled = {
        (path.name, node.value)
        for path in PACKAGE.rglob("*.py")
        if path.name != "reasons.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in REASONS
        if node.value not in OTHER_WORDS.get(path.name, ())
    }
    assert spelled == set()


def test_redis_is_told_the_reasons_and_spells_none_out() -> None:
    scripts = (PACKAGE / "stores" / "redis" / "scripts.lua").read_text()
    code = re.sub(r"--.*", "", scripts)
    assert not [reason for reason in REASONS if f"'{reason}'" in code or f'"{reason}"' in code]
    for reason in BY_TIME:
        assert f"BY_{reason.upper()}" in code
