"""Names of keys: what belongs together is together, also on a cluster."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from quart_idle.cookies import id_of, new_token
from quart_idle.stores.redis.keys import HASH_TAGS, Keys, by_hash_tag, sessions_of, together

KEYS = Keys("quart-idle", "worker")
IDS = st.from_regex(r"\A[0-9a-f]{64}\Z")


@given(IDS, IDS)
def test_a_session_its_next_id_its_index_and_its_drafts_are_on_one_slot(
    one: str, other: str
) -> None:
    other = one[:2] + other[2:]
    keys = [KEYS.session(one), KEYS.session(other), KEYS.index(one), *KEYS.places(one)]
    assert len({key_slot(key) for key in keys}) == 1
    assert len(set(keys)) == len(keys) - (one == other)


@given(st.lists(IDS, unique=True))
def test_keys_that_a_script_gets_on_a_cluster_are_on_one_slot_and_none_is_lost(
    ids: list[str],
) -> None:
    keys = [KEYS.session(id) for id in ids]
    groups = list(by_hash_tag(keys))
    assert sorted(key for group in groups for key in group) == sorted(keys)
    for group in groups:
        assert len({key_slot(key) for key in group}) == 1


def test_on_one_server_a_script_gets_all_keys_and_is_not_called_for_none() -> None:
    assert list(together(iter([b"one", b"two"]))) == [[b"one", b"two"]]
    assert list(together([])) == []


@given(IDS)
def test_an_index_names_sessions_by_what_follows_their_hash_tag(id: str) -> None:
    key = KEYS.session(id)
    assert sessions_of(KEYS.index(id), [key.rpartition(b"}")[2]]) == [key]


def test_every_token_has_one_of_the_hash_tags() -> None:
    assert {id_of(new_token())[:2] for _ in range(2000)} <= set(HASH_TAGS)
