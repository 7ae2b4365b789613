"""A site whose faults are told in its own words."""

from __future__ import annotations

from typing import Any

import pytest
from quart import jsonify

from quart_idle import StoreUnavailable
from tests.helpers.site import MakeSite, Site


@pytest.fixture
def worded(site: MakeSite) -> Site:
    """A site with its own words for a 503."""
    here = site(store_timeout=1)

    @here.app.errorhandler(503)
    async def words(error: Any) -> Any:
        assert isinstance(error, StoreUnavailable)
        return jsonify(error="come back later"), 503

    return here
