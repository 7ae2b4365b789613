"""Each store keeps the promises; and a site whose faults are told in its own words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import jsonify

from quart_idle import MemoryStore, Store, StoreUnavailable
from quart_idle.stores.sqlite import SQLiteStore
from tests.helpers.clock import Clock
from tests.helpers.servers import Serve, Server
from tests.helpers.site import MakeSite, Site, make_site
from tests.helpers.tampered_store import Tampered


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    """Where sessions are kept."""
    return str(request.param)


@pytest.fixture
async def site(kind: str, clock: Clock, tmp_path: Path) -> AsyncIterator[MakeSite]:
    """Applications of the test's own, with a store each if none is given."""
    made: list[Store] = []

    def make(**options: Any) -> Site:
        if "store" not in options:
            file = tmp_path / f"{len(made)}.db"
            made.append(MemoryStore(clock) if kind == "memory" else SQLiteStore(file, clock=clock))
            options["store"] = Tampered(made[-1])
        return make_site(clock, **options)

    yield make
    for store in made:
        await store.close()


@pytest.fixture
def serve(kind: str, serve: Serve, tmp_path: Path) -> Serve:
    """Servers, of one file where sessions are in files."""

    def begin(settings: dict[str, Any] | None = None, *arguments: str, **options: Any) -> Server:
        store = {} if kind == "memory" else {"store": f"sqlite:///{tmp_path}/sessions.db"}
        return serve({**store, **(settings or {})}, *arguments, **options)

    return begin


@pytest.fixture
def worded(site: MakeSite) -> Site:
    """A site with its own words for a 503."""
    here = site(store_timeout=1)

    @here.app.errorhandler(503)
    async def words(error: Any) -> Any:
        assert isinstance(error, StoreUnavailable)
        return jsonify(error="come back later"), 503

    return here
