"""SQLite stores, as tests have them."""

from __future__ import annotations

from quart_idle.policy import Limits
from quart_idle.stores.base import Listener
from quart_idle.stores.sqlite import SQLiteStore


class PatientStore(SQLiteStore):
    """One that waits for the disk of a busy machine."""

    def bind(
        self, limits: Limits, listener: Listener, prefix: str = "quart-idle", timeout: float = 20.0
    ) -> None:
        super().bind(limits, listener, prefix, timeout)
