"""The README's listings."""

from __future__ import annotations

import re
from pathlib import Path

_README = Path(__file__).parent.parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    """The README's listings in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", _README.read_text(), re.DOTALL | re.MULTILINE)
