"""What is typed: kept, offered, restored, and what is never kept, in three engines."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helpers.engines.acts import (
    COVER,
    PROMPT,
    click,
    desk_at,
    get,
    open_page,
    post,
    shown,
    sign_in,
    value_of,
    write,
)
from tests.helpers.engines.driver import Engine, Tab
from tests.helpers.engines.scenarios import scenario
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECRETS = ["Password", "Card", "Code", "Check", "Nickname"]


async def drafts(desk: Tab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await get(desk, "/_idle/drafts"))["drafts"]
    return found


@scenario("what was typed is kept at the end, offered again and restored; secrets never are")
async def test_what_was_typed_is_kept_and_restored_and_secrets_are_not(
    serve_pages: Serve, engine: Engine
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 600, "warning": 3.5, "drafts": True})
    desk = await desk_at(engine, server.url, "ada")
    page = await open_page(engine, f"{server.url}/form")
    for secret in SECRETS:
        await write(page, secret, "private")
    await write(page, "Subject", "Dear Bob")
    await write(page, "Text", "As agreed.")
    await post(desk, "/hurry?seconds=5")
    await shown(page, PROMPT)
    (draft,) = await until(lambda: drafts(desk))
    assert "private" not in str(draft)
    kept = {name: value for name, value in draft["fields"] if value}
    assert kept == {"line": "Dear Bob", "text": "As agreed.", "tag": "secret"}
    await shown(page, COVER)
    await sign_in(desk, "ada")
    again = await open_page(engine, f"{server.url}/form")
    await click(again, "Restore")
    await until(lambda: value_of(again, "[name=text]"))
    assert await value_of(again, "[name=text]") == "As agreed."
    assert await value_of(again, "[name=line]") == "Dear Bob"
    for name in ("password", "card", "code", "csc", "nickname"):
        assert await value_of(again, f"[name={name}]") == ""
