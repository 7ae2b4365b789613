"""A session as a dict, with changes inside its values."""

from __future__ import annotations

from collections import OrderedDict
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from quart import (
    flash,
    get_flashed_messages,
)
from quart import session as current_session

from quart_idle import Session
from tests.helpers.handlers import Do, look
from tests.helpers.site import MakeSite


def append(session: Session) -> None:
    session["cart"]["items"].append("b")


def change_in_a_tuple(session: Session) -> None:
    session["pair"][1]["x"] = 1


def read_then_append(session: Session) -> None:
    assert session["cart"]["items"] == ["a"]
    append(session)


def append_to_what_was_set(session: Session) -> None:
    session["cart"] = cart = {"items": ["a"]}
    cart["items"].append("b")


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        (append, "cart", {"items": ["a", "b"]}),
        (read_then_append, "cart", {"items": ["a", "b"]}),
        (append_to_what_was_set, "cart", {"items": ["a", "b"]}),
        (change_in_a_tuple, "pair", (1, {"x": 1})),
    ],
)
async def test_a_change_inside_a_value_is_seen_and_stored(
    site: MakeSite, change: Do, key: str, value: Any
) -> None:
    browser = await site().signed_in(cart={"items": ["a"]}, pair=(1, {}))

    def do(session: Session) -> bool:
        assert not session.modified
        change(session)
        return session.modified

    assert (await browser.visit(do)).value is True
    assert (await browser.visit(look)).value[key] == value


async def test_reading_a_value_that_could_be_changed_writes_nothing(site: MakeSite) -> None:
    here = site()
    browser = await here.signed_in(cart=["a"], pair=(1, []))
    await browser.visit(look)
    assert here.store.calls == ["load"]


KEYS = st.sampled_from("abcd")


OPERATIONS = st.one_of(
    st.tuples(st.just("set"), KEYS, st.integers() | st.lists(st.integers(), max_size=2)),
    st.tuples(st.sampled_from(["delete", "append", "pop", "setdefault", "get"]), KEYS),
    st.tuples(st.sampled_from(["clear", "popitem"])),
)


def apply(operation: tuple[Any, ...], mapping: Any) -> Any:
    """Do it to a dict or a session; what came of it."""
    match operation:
        case "set", key, value:
            mapping[key] = list(value) if isinstance(value, list) else value
        case "delete", key:
            try:
                del mapping[key]
            except KeyError:
                return "KeyError"
        case "append", key if isinstance(mapping.get(key), list):
            mapping[key].append(7)
        case "pop", key:
            return mapping.pop(key, None)
        case "setdefault", key:
            return mapping.setdefault(key, [])
        case "get", key:
            return mapping.get(key), key in mapping
        case ("clear",):
            mapping.clear()
        case ("popitem",):
            return None if not mapping else mapping.pop(min(mapping))
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(requests=st.lists(st.lists(OPERATIONS, max_size=8), max_size=4))
async def test_it_behaves_as_a_dict_from_request_to_request(
    site: MakeSite, requests: list[list[tuple[Any, ...]]]
) -> None:
    model: dict[str, Any] = {}
    browser = site().browser()
    for operations in requests:

        def do(session: Session, operations: list[tuple[Any, ...]] = operations) -> Any:
            for operation in operations:
                assert apply(operation, session) == apply(operation, model)
                assert dict(session) == model
                assert len(session) == len(model)
                assert bool(session) == bool(model)
            return None

        assert (await browser.visit(do)).status == 200
        assert (await browser.visit(look)).value == model


anywhere = cast(Session, current_session)


class Name(StrEnum):
    CART = "cart"


class Mixed(str, Enum):  # noqa: UP042  (its str() is another)
    CART = "cart"


def merge_in_place(session: Session) -> Any:
    session |= {"b": 2}
    session |= [("c", 3)]
    return dict(session)


@pytest.mark.parametrize(
    ("do", "value"),
    [
        (lambda session: session.copy(), {"a": [1]}),
        (lambda session: session | {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (lambda session: {"a": 1, "b": 2} | session, {"a": [1], "b": 2}),
        (lambda _: anywhere.copy(), {"a": [1]}),
        (lambda _: anywhere | {"b": 2}, {"a": [1], "b": 2}),
        (lambda _: {"b": 2} | anywhere, {"a": [1], "b": 2}),
        (merge_in_place, {"a": [1], "b": 2, "c": 3}),
    ],
)
async def test_copying_and_merging_work_as_on_a_dict(site: MakeSite, do: Do, value: Any) -> None:
    here = site()
    browser = await here.signed_in(a=[1])

    def typed(session: Session) -> Any:
        found = do(session)
        assert type(found) is dict
        return found

    assert (await browser.visit(typed)).value == value
    kept = value if do is merge_in_place else {"a": [1]}
    assert (await browser.visit(look)).value == kept, "a copy's changes are its own"


async def test_a_session_merges_with_mappings_only(site: MakeSite) -> None:
    def do(session: Any) -> None:
        for wrong in (1, None, [("a", 1)]):
            with pytest.raises(TypeError, match="unsupported operand"):
                session | wrong
            with pytest.raises(TypeError, match="unsupported operand"):
                wrong | session

    await (await site().signed_in(a=1)).visit(do)


@pytest.mark.parametrize("key", [Name.CART, Mixed.CART])
async def test_a_key_of_a_kind_of_str_is_that_str(site: MakeSite, key: str) -> None:
    here = site()
    browser = await here.signed_in()
    await browser.visit(lambda session: session.__setitem__(key, "full"))

    def find(session: Session) -> Any:
        assert session[key] == session["cart"] == "full"
        assert [type(name) for name in session] == [str]
        del session[key]
        return "cart" in session

    assert (await browser.visit(find)).value is False
    assert (await browser.visit(look)).value == {}


class LazyText:
    def __html__(self) -> str:
        return "<b>Hi</b>"


async def test_a_lazy_text_can_be_flashed(site: MakeSite) -> None:
    browser = await site().signed_in()
    await browser.visit(lambda _: flash(LazyText()))  # type: ignore[arg-type]
    found = (await browser.visit(lambda _: get_flashed_messages())).value
    assert found == [Markup("<b>Hi</b>")]
    assert type(found[0]) is Markup


async def test_the_next_request_finds_what_a_value_was_a_kind_of(site: MakeSite) -> None:
    browser = await site().signed_in()
    money = Decimal("12.50")

    def do(session: Session) -> None:
        session["user"] = OrderedDict(sub="1", colour=Name.CART, born=date(1815, 12, 10))
        session["paid"] = {money, frozenset({timedelta(1)})}

    def find(session: Session) -> Any:
        assert not session.modified
        found = dict(session)
        assert not session.modified, "that is no change"
        return type(found["user"]), type(found["user"]["colour"]), found

    await browser.visit(do)
    user, colour, found = (await browser.visit(find)).value
    assert (user, colour) == (dict, str)
    assert found == {
        "user": {"sub": "1", "colour": "cart", "born": date(1815, 12, 10)},
        "paid": {money, frozenset({timedelta(1)})},
    }
