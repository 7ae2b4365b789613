"""An application that keeps drafts."""

from __future__ import annotations

import pytest

from tests.helpers.clock import DAY
from tests.helpers.site import KEY, MakeSite, Site


@pytest.fixture
def here(site: MakeSite) -> Site:
    return site(config=KEY, drafts=True, timeout=2 * DAY)
