"""What is tried in which engine; what the engine's driver cannot do is said here, once."""

from __future__ import annotations

import pytest

ENGINES = ["chromium", "firefox", "webkit"]

#: What no test can make an engine do here, and why.
BEYOND = {
    ("print", "webkit"): "its driver does not print",
    ("return", "webkit"): "its browser does not bring tabs back",
    ("forced colours", "webkit"): "it has none",
    ("other site", "webkit"): "it blocks third-party cookies",
}


def engines_for(*needs: str) -> list[str]:
    """Where a scenario is tried that needs these of a driver."""
    return [it for it in ENGINES if not any((need, it) in BEYOND for need in needs)]


scenario = pytest.mark.scenario
