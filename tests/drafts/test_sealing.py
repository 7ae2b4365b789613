"""What the store learns of drafts, and which secrets open them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import example, given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from quart import Quart

from quart_idle import MemoryStore, QuartIdle
from quart_idle.drafts import Draft, Drafts, _Seal
from quart_idle.policy import Limits
from tests.helpers.clock import HOUR, Clock
from tests.helpers.kept_drafts import FIELDS, TEXTS, forms, keep
from tests.helpers.site import Browser, MakeSite


class Watching(MemoryStore):
    """A store that shows what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.bind(Limits(HOUR), lambda *_: None)
        self.given: list[tuple[str, str, bytes]] = []

    async def keep_draft(self, box: str, name: str, draft: bytes) -> None:
        self.given.append((box, name, draft))
        await super().keep_draft(box, name, draft)


async def fields_of(drafts: Drafts, user: str = "ada", page: str | None = None) -> list[Any]:
    return [draft.fields for draft, _ in await drafts.of(user, page)]


async def test_the_store_learns_neither_what_was_typed_nor_who_or_where() -> None:
    store = Watching()
    drafts = Drafts(store, ["secret"])
    for user in ("ada", "bob"):
        for _ in range(2):
            await drafts.keep(user, "/notes", "note", FIELDS)
    for box, name, draft in store.given:
        int(box, 16), int(name, 16)
        for text in TEXTS:
            for told in (box.encode(), name.encode(), draft):
                assert text.encode() not in told
    boxes, names, sealed = zip(*store.given, strict=True)
    # The same user and form are found again; other users are not known by the same form, and the
    # same text is never sealed alike.
    assert [len(set(what)) for what in (boxes, names, sealed)] == [2, 2, 4]


@pytest.mark.parametrize(
    "move", ["to another user", "to another form", "to another page", "changed", "cut", "empty"]
)
async def test_what_was_moved_or_changed_in_the_store_does_not_open(
    move: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "quart_idle")
    store = Watching()
    drafts = Drafts(store, ["secret"])
    others = {
        "to another user": ("bob", "/notes", "note"),
        "to another form": ("ada", "/notes", "other"),
        "to another page": ("ada", "/other", "note"),
    }
    user, page, form = others.get(move, ("ada", "/notes", "note"))
    await drafts.keep("ada", "/notes", "note", FIELDS)
    await drafts.keep(user, page, form, [["title", "Bye"]])
    await drafts.keep("ada", "/notes", "good", [])
    (_, _, draft), (box, name, _), _ = store.given
    draft = {"changed": draft[:-1] + bytes([draft[-1] ^ 1]), "cut": draft[:20], "empty": b""}.get(
        move, draft
    )
    await store.keep_draft(box, name, draft)
    assert not [
        found.form for found, _ in await drafts.of(user) if (found.page, found.form) == (page, form)
    ]
    assert [] in await fields_of(drafts)  # the good one
    assert [record.levelname for record in caplog.records] == ["DEBUG"] * len(caplog.records)
    assert caplog.records
    for text in TEXTS:
        assert text not in caplog.text


def test_each_box_is_sealed_by_a_key_of_its_own() -> None:
    seal = _Seal("secret")
    sealed = seal.seal("ada's", "name", Draft("/", "form", []))
    with pytest.raises(InvalidTag):
        seal._cipher("bob's").decrypt(sealed[:12], sealed[12:], b"ada'sname")


async def test_another_secret_opens_nothing() -> None:
    store = MemoryStore()
    store.bind(Limits(HOUR), lambda *_: None)
    await Drafts(store, ["secret"]).keep("ada", "/notes", "note", FIELDS)
    assert await fields_of(Drafts(store, ["other"])) == []
    assert await fields_of(Drafts(store, [b"secret"])) == [FIELDS]


async def test_a_former_secret_s_drafts_are_read_replaced_and_dropped() -> None:
    store = MemoryStore()
    store.bind(Limits(HOUR), lambda *_: None)
    before, after = Drafts(store, ["old"]), Drafts(store, ["new", "old"])
    for form in ("one", "two", "three"):
        await before.keep("ada", "/", form, [["by", "old"]])
    assert await fields_of(after) == [[["by", "old"]]] * 3
    await after.keep("ada", "/", "one", [["by", "new"]])
    await after.drop("ada", "/", "two")
    assert {draft.form: draft.fields for draft, _ in await after.of("ada")} == {
        "one": [["by", "new"]],
        "three": [["by", "old"]],
    }
    assert [draft.form for draft, _ in await before.of("ada")] == ["three"]
    assert [draft.form for draft, _ in await Drafts(store, ["new"]).of("ada")] == ["one"]


async def test_of_one_form_under_two_secrets_the_newest_is_told(clock: Clock) -> None:
    store = MemoryStore(clock)
    store.bind(Limits(HOUR), lambda *_: None)
    await Drafts(store, ["new", "old"]).keep("ada", "/", "one", [["by", "new"]])
    await clock.advance(1)
    await Drafts(store, ["old"]).keep("ada", "/", "one", [["by", "old"]])  # a worker of before
    [(draft, age)] = await Drafts(store, ["new", "old"]).of("ada")
    assert draft == Draft("/", "one", [["by", "old"]])
    assert age == 0


async def test_the_application_s_secrets_are_those_that_count(
    site: MakeSite,
) -> None:
    before = site(config={"SECRET_KEY": "old"}, drafts=True)
    browser = await before.signed_in()
    await keep(browser)
    for config, found in (
        ({"SECRET_KEY": "new", "SECRET_KEY_FALLBACKS": ["old"]}, ["note"]),
        ({"SECRET_KEY": "new"}, []),
    ):
        app = Quart("tests")
        app.config.update(config)
        QuartIdle(app, store=before.store, drafts=True, store_timeout=30)
        assert await forms(Browser(app, browser.token)) == found


ANY = st.text(st.characters(codec=None))


@with_settings(max_examples=50)
@example("\ud83d", "\ud83d\ude00", "\U0001f600", [["\ud83d\ude00", "\U0001f600"]])
@given(user=ANY, page=ANY, form=ANY, fields=st.lists(st.lists(ANY, min_size=2, max_size=2)))
def test_any_text_comes_back_as_it_was(
    user: str, page: str, form: str, fields: list[list[str]]
) -> None:
    async def there_and_back() -> list[Draft]:
        store = Watching()
        drafts = Drafts(store, ["secret"])
        await drafts.keep(user, page, form, fields)
        return [draft for draft, _ in await drafts.of(user, page)]

    assert asyncio.run(there_and_back()) == [(page, form, fields)]
