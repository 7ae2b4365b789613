"""What a store is, as tests: see `quart_idle.stores.base`.

A new store is a file with one fixture::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self, clock: Clock) -> Store:
            return MyStore(clock)

A store whose clock cannot be given overrides the fixture ``clock`` too, with what makes that
store's time pass. One that keeps drafts inherits `DraftStoreContract`, which is both. `StoreModel`
is the same contract, but for drafts, as a state machine.
"""

from __future__ import annotations

from tests.contract.attendance import Attendance
from tests.contract.calls import Calls
from tests.contract.common import (
    HERE,
    LIMITS,
    PAGE,
    Told,
    about,
    change,
    reason,
    record,
)
from tests.contract.deadlines import Deadlines
from tests.contract.drafts import Drafts
from tests.contract.events import Events
from tests.contract.limit import Limits
from tests.contract.model import StoreModel
from tests.contract.saving import Saving
from tests.contract.sessions import Sessions
from tests.contract.sign_ins import SignIns
from tests.contract.telling import Telling
from tests.contract.tokens import Tokens
from tests.contract.users import Users

__all__ = [
    "HERE",
    "LIMITS",
    "PAGE",
    "DraftStoreContract",
    "EventStoreContract",
    "PresenceStoreContract",
    "StoreContract",
    "StoreModel",
    "Told",
    "about",
    "change",
    "reason",
    "record",
]


class StoreContract(Sessions, Saving, Tokens, Deadlines, Calls, Telling):
    """Inherit, and give the fixture ``store``: a new one, not bound."""


class DraftStoreContract(StoreContract, Drafts, Users, Limits, SignIns):
    """Inherit, if the store keeps drafts and lists users' sessions too."""


class EventStoreContract(Events):
    """Inherit this as well, if the store keeps ends that are to be told."""


class PresenceStoreContract(Attendance):
    """Inherit this as well, if the store knows the open pages of all workers."""
