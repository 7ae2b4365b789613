"""Settings as an application has them, and what is said of wrong ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from quart_idle import ConfigError, Options
from quart_idle.config import Settings, read

QUARTS = {"PERMANENT_SESSION_LIFETIME": timedelta(days=31)}


def settings(config: dict[str, Any] | None = None, **options: Any) -> Settings:
    return read({**QUARTS, **(config or {})}, cast(Options, options))


def wrong(config: dict[str, Any] | None = None, **options: Any) -> str:
    """What is said of a wrong setting."""
    with pytest.raises(ConfigError) as caught:
        settings(config, **options)
    return str(caught.value)
