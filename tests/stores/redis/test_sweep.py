"""Whose turn the sweep is, and when it comes round again: with no server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest

from quart_idle import StoreUnavailable
from quart_idle.stores.redis.calls import Calls
from quart_idle.stores.redis.keys import HASH_TAGS, Keys, by_hash_tag
from quart_idle.stores.redis.scripts import MOST_DUE
from quart_idle.stores.redis.sweep import Sweep

KEYS = Keys("quart-idle", "worker")


class Answers:
    """Calls whose answers are made up; `down` is what fails, by its script or its hash tag."""

    def __init__(self, due: dict[str, int], *, turn: int = 1, down: Iterable[str] = ()) -> None:
        self.due = {KEYS.index(tag): [b"%d" % at for at in range(due[tag])] for tag in due}
        self.turn = turn
        self.down = set(down)
        self.swept: dict[bytes, Sequence[bytes]] = {}

    by_slot = staticmethod(by_hash_tag)

    async def call(self, name: str, keys: Sequence[bytes], *_: Any) -> Any:
        tag = keys[0].partition(b"{")[2][:2].decode()
        if name in self.down or tag in self.down:
            raise StoreUnavailable
        if name == "due":
            return [self.due.get(key, []) for key in keys]
        if name == "sweep":
            self.swept[keys[0]] = keys[1:]
        return self.turn


def sweep(calls: Answers) -> Sweep:
    return Sweep(cast(Calls, calls), KEYS, lambda answer: answer)


async def test_what_is_due_is_ended_wherever_it_is() -> None:
    calls = Answers({"00": 1, "ab": 2})
    assert not await sweep(calls)._sweep()
    assert calls.swept == {
        KEYS.index("00"): [b"quart-idle:{00}0"],
        KEYS.index("ab"): [b"quart-idle:{ab}0", b"quart-idle:{ab}1"],
    }


async def test_a_node_that_is_down_holds_up_no_other() -> None:
    calls = Answers({"00": 1, "ab": MOST_DUE}, down=["00"])
    assert await sweep(calls)._sweep()
    assert list(calls.swept) == [KEYS.index("ab")]


@pytest.mark.parametrize(("due", "more"), [(MOST_DUE, True), (MOST_DUE - 1, False)])
async def test_it_comes_round_at_once_only_where_there_may_be_more(due: int, more: bool) -> None:
    assert await sweep(Answers({"ab": due}))._sweep() is more


async def test_it_does_not_come_round_at_once_to_what_it_could_not_end() -> None:
    calls = Answers({"ab": MOST_DUE}, down=["sweep"])
    assert not await sweep(calls)._sweep()


@pytest.mark.parametrize(
    ("turn", "down", "ours"), [(1, "", True), (0, "", False), (0, "turn", True)]
)
async def test_one_worker_has_the_turn_and_each_where_nobody_can_have_it(
    turn: int, down: str, ours: bool
) -> None:
    assert await sweep(Answers({}, turn=turn, down=[down] if down else []))._is_ours() is ours


def test_every_index_is_looked_at() -> None:
    assert len({KEYS.index(tag) for tag in HASH_TAGS}) == 256
