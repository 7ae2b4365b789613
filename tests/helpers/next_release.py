"""The application of the tests as the next release of quart-idle would serve it.

Its client has another version, and says so. For a process of its own: the client's files are read
when they are imported.
"""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

_read = Path.read_bytes


def _read_next(path: Path) -> bytes:
    more = b'\ndocument.documentElement.dataset.release = "next";\n'
    return _read(path) + (more if path.name == "session.js" else b"")


with patch.object(Path, "read_bytes", _read_next):
    from tests.helpers.page_app import app

__all__ = ["app"]
