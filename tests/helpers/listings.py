"""The guides, README first, and their listings."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

#: All guides, by their paths below the root.
GUIDES = sorted(
    str(path.relative_to(ROOT))
    for path in [
        ROOT / "README.md",
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "tests").rglob("*.md"),
    ]
)

_LISTING = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def text_of(guide: str) -> str:
    return (ROOT / guide).read_text()


def listings(guide: str) -> list[tuple[str, str]]:
    """A guide's listings in their order, each with its language."""
    return _LISTING.findall(text_of(guide))


def blocks(language: str, guide: str = "README.md") -> list[str]:
    """A guide's listings in a language."""
    return [text for kind, text in listings(guide) if kind == language]
