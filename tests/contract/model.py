"""The contract, but for drafts, as a state machine."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quart_idle import Store, TooManySessions
from quart_idle.policy import Clocks, Limits, SignOfLife, deadline, renewed
from quart_idle.reasons import LIMIT, REGENERATED
from quart_idle.stores.base import (
    NOW,
    REASON_KEPT,
    Change,
    Device,
    Live,
    Record,
    SessionLimit,
    SignIn,
    UserStore,
)
from tests.contract.common import (
    LIMITS,
)


@dataclass
class _Session:
    data: dict[str, bytes]
    user_id: str | None
    clocks: Clocks
    place: int = 0  # in the list of its user
    sign_in: SignIn | None = None

    def apply(self, change: Change, now: float) -> bool:
        """Change it; whether it has something still."""
        if change.clear:
            self.data = {}
        for key, value in change.fields.items():
            self.data.pop(key, None)
            if value is not None:
                self.data[key] = value
        self.user_id = change.attributes.get("user_id", self.user_id)
        moment, device = self.sign_in or (now, Device())
        if "user_id" in change.attributes:
            moment, device = now, change.attributes.get("device", Device())
        moment = min(now, change.attributes.get("authenticated", moment))
        self.sign_in = None if self.user_id is None else SignIn(moment, device)
        own = change.attributes.get("timeout", self.clocks.timeout)
        self.clocks = self.clocks._replace(timeout=own)
        if change.clear or "user_id" in change.attributes:
            began_anew = None if now == self.clocks.created else now
            self.clocks = self.clocks._replace(began_anew=began_anew)
        return bool(self.data or self.user_id or not change.may_empty)


@dataclass
class _Model:
    """The contract, the simple way: everything is looked at at every step."""

    limits: Limits
    now: float = 0.0
    live: dict[str, _Session] = field(default_factory=dict)
    over: dict[str, tuple[str, float]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    anew: set[str] = field(default_factory=set)
    joined: int = 0

    def look(self) -> None:
        for id, session in tuple(self.live.items()):
            end, why = deadline(session.clocks, self.limits)
            if end <= self.now:
                self.finish(id, why, end)
        for id, (_, at) in tuple(self.over.items()):
            if self.now - at >= REASON_KEPT:
                del self.over[id]
                self.moved.pop(id, None)

    def finish(self, id: str, why: str, at: float) -> None:
        del self.live[id]
        self.over[id] = why, at

    def join(self, session: _Session) -> None:
        """Have it at the end of its user's list."""
        self.joined += 1
        session.place = self.joined

    def listed(self, user: str) -> list[str]:
        ids = [id for id, session in self.live.items() if session.user_id == user]
        return sorted(ids, key=lambda id: self.live[id].place)

    def make_room(self, change: Change, own: str | None = None) -> bool:
        """Have others end, so that a user may have one more; False: it is refused."""
        user = change.attributes.get("user_id")
        if user is None or change.limit is None:
            return True
        others = [id for id in self.listed(user) if id != own]
        surplus = max(0, len(others) + 1 - change.limit.sessions)
        if surplus and change.limit.refuses:
            return False
        others.sort(key=lambda id: self.live[id].clocks.active)
        for id in others[:surplus]:
            self.finish(id, LIMIT, self.now)
        return True

    def current(self, id: str) -> str:
        while id in self.moved:
            id = self.moved[id]
        return id


IDS = st.sampled_from([f"id{number}" for number in range(4)])
CHANGES = st.builds(
    Change,
    st.dictionaries(st.sampled_from("abc"), st.none() | st.binary(max_size=2), max_size=3),
    st.fixed_dictionaries(
        {},
        optional={
            "user_id": st.none() | st.sampled_from(["ada", "bob"]),
            "timeout": st.none() | st.sampled_from([5.0, 600.0]),
            "authenticated": st.just(NOW),
            "device": st.builds(Device, *[st.none() | st.sampled_from(["", "x"])] * 2),
        },
    ),
    st.booleans(),
    st.none() | st.builds(SessionLimit, st.integers(1, 2), st.booleans()),
)
USERS = st.sampled_from(["ada", "bob"])
AGES = st.sampled_from([0.0, 1.0, 20.0, 100.0])


class StoreModel(RuleBasedStateMachine):
    """Any calls in any order at any time, beside a simple model of them.

    Times are whole seconds, so that every store reckons them exactly.
    """

    limits = LIMITS

    def make_store(self) -> Store:
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.model = _Model(self.limits)
        self.store = self.make_store()
        self.store.bind(self.limits, lambda *_: None)
        self.ids = 0

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()

    def ask(self, call: Coroutine[Any, Any, Any]) -> Any:
        self.model.look()
        return self.runner.run(call)

    @rule(seconds=st.sampled_from([1.0, 10.0, 29.0, 31.0, 59.0, 300.0, 3500.0]))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)
        self.model.now += seconds

    @rule(change=CHANGES)
    def create(self, change: Change) -> None:
        id = f"id{self.ids}"
        self.ids += 1
        now = self.model.now
        self.model.look()
        if not self.model.make_room(change):
            with pytest.raises(TooManySessions):
                self.ask(self.store.create(id, change))
            return
        session = self.model.live[id] = _Session({}, None, Clocks(now, now, now))
        session.apply(change, now)
        self.model.join(session)
        self.ask(self.store.create(id, change))

    @rule(id=IDS, change=CHANGES)
    def save(self, id: str, change: Change) -> None:
        changed = self.ask(self.store.save(id, change))
        while id in self.model.moved and id not in self.model.anew:
            id = self.model.moved[id]
        user = self.model.live[id].user_id if id in self.model.live else None
        if id not in self.model.live:
            assert changed is None
        elif self.model.live[id].apply(change, self.model.now):
            assert changed == (id, False)
            if self.model.live[id].user_id != user:
                self.model.join(self.model.live[id])
        else:
            assert changed == (id, True)
            self.model.finish(id, "signed out", self.model.now)

    @rule(id=IDS, change=CHANGES)
    def regenerate(self, id: str, change: Change) -> None:
        new_id = f"id{self.ids}"
        self.ids += 1  # no id is made twice
        self.model.look()
        if id in self.model.live and not self.model.make_room(change, id):
            with pytest.raises(TooManySessions):
                self.ask(self.store.regenerate(id, new_id, change))
            return
        changed = self.ask(self.store.regenerate(id, new_id, change))
        session = self.model.live.get(id)
        if session is None:
            assert changed is None
        elif session.apply(change, self.model.now):
            assert changed == (new_id, False)
            self.model.live[new_id] = session
            self.model.finish(id, REGENERATED, self.model.now)
            self.model.moved[id] = new_id
            if change.begins_anew:
                self.model.anew.add(id)
                self.model.join(session)
        else:
            assert changed == (id, True)
            self.model.finish(id, "signed out", self.model.now)

    @rule(id=IDS, why=st.sampled_from(["signed out", "reset"]))
    def end(self, id: str, why: str) -> None:
        ended = self.ask(self.store.end(id, why))
        current = self.model.current(id)
        assert ended == (current if current in self.model.live else None)
        if ended:
            self.model.finish(current, why, self.model.now)

    @rule(user=USERS, keep=st.none() | IDS, why=st.sampled_from(["stolen", "banned"]))
    def end_all(self, user: str, keep: str | None, why: str) -> None:
        if not isinstance(self.store, UserStore):
            return
        ended = self.ask(self.store.end_some(user, why, keep))
        kept = None if keep is None else self.model.current(keep)
        ids = [id for id in self.model.listed(user) if id != kept]
        assert (set(ended.ids), ended.rest) == (set(ids), None)
        for id in ids:
            self.model.finish(id, why, self.model.now)

    @rule(
        signs=st.dictionaries(
            IDS, st.builds(SignOfLife, AGES, st.none() | AGES, st.booleans()), max_size=4
        )
    )
    def renew(self, signs: dict[str, SignOfLife]) -> None:
        outcomes = self.ask(self.store.renew(signs))
        for id, sign in signs.items():
            if id in self.model.live:
                session = self.model.live[id]
                session.clocks = renewed(session.clocks, sign, self.model.now)
                assert isinstance(outcomes[id], Live)
            elif id in self.model.over:
                assert outcomes[id].reason == self.model.over[id][0]
            else:
                assert outcomes[id] is None

    @staticmethod
    def since_creation(session: Record | _Session) -> tuple[Any, Device] | None:
        """When the user last proved who they are, since the session's making; and where."""
        if session.sign_in is None:
            return None
        moment, device = session.sign_in
        return pytest.approx(moment - session.clocks.created), device

    @invariant()
    def lists_what_the_model_lists(self) -> None:
        if not hasattr(self, "store") or not isinstance(self.store, UserStore):
            return
        for user in ("ada", "bob"):
            found = self.ask(self.store.sessions_of(user, 0, 1000))
            assert [one.id for one in found] == self.model.listed(user)

    @invariant()
    def tells_what_the_model_tells(self) -> None:
        if not hasattr(self, "store"):
            return
        for id in (f"id{number}" for number in range(self.ids)):
            found = self.ask(self.store.load(id))
            if id in self.model.live:
                session = self.model.live[id]
                assert isinstance(found, Record), f"{id} is alive"
                assert dict(found.data) == session.data
                assert self.since_creation(found) == self.since_creation(session)
                assert found.user_id == session.user_id
                told, model = (
                    tuple(end - created for end in clocks)
                    for created, clocks in (
                        (found.clocks.created, found.clocks[:3]),
                        (session.clocks.created, session.clocks[:3]),
                    )
                )
                assert told == pytest.approx(model)
                assert found.clocks[3:5] == session.clocks[3:5]
                assert found.clocks.began - found.clocks.created == pytest.approx(
                    session.clocks.began - session.clocks.created
                )
            elif id in self.model.over:
                why, at = self.model.over[id]
                assert found == (why, pytest.approx(self.model.now - at))
            else:
                assert found is None
