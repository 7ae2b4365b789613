"""A site whose users are quart-auth's."""

from __future__ import annotations

import pytest

from tests.helpers.auth_site import MakeAuthSite, auth_site_maker
from tests.helpers.site import MakeSite


@pytest.fixture
def auth_site(site: MakeSite) -> MakeAuthSite:
    return auth_site_maker(site)
