"""A site with views that end with the session."""

from __future__ import annotations

import pytest

from tests.helpers.bound_site import MakeBoundSite, bound_site_maker
from tests.helpers.site import MakeSite


@pytest.fixture
def bound_site(site: MakeSite) -> MakeBoundSite:
    return bound_site_maker(site)
