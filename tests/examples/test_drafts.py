"""``examples/drafts`` does what its guide says; what a browser does is in ``tests/client``."""

from __future__ import annotations

import re

from quart.typing import TestClientProtocol as Client

from examples.drafts import app

ORIGIN = {"Origin": "http://localhost"}
DRAFT = {"form": "comment", "page": "/", "fields": [["comment", "Half a page"]]}


async def page_of(client: Client) -> str:
    return str(await (await client.get("/")).get_data(as_text=True))


async def test_a_draft_is_kept_for_its_user_though_a_hook_demands_a_token_of_every_form() -> None:
    client = app.test_client()
    assert (await client.get("/")).status_code == 302
    await client.post("/sign-in", form={"name": "Ada"})
    page = await page_of(client)
    assert 'data-drafts="1"' in page
    assert '<form data-quart-idle-draft="comment"' in page

    kept = await client.post("/_idle/drafts", json=DRAFT, headers=ORIGIN)
    assert kept.status_code == 204
    assert (await client.post("/_idle/drafts", json=DRAFT)).status_code == 403

    await client.post("/sign-out")
    assert (await client.get("/_idle/drafts")).status_code == 401
    await client.post("/sign-in", form={"name": "Eve"})
    assert await (await client.get("/_idle/drafts")).get_json() == {"drafts": []}
    await client.post("/sign-out")
    await client.post("/sign-in", form={"name": "Ada"})
    (draft,) = (await (await client.get("/_idle/drafts?page=/")).get_json())["drafts"]
    assert draft["fields"] == [["comment", "Half a page"]]


async def test_a_form_is_sent_with_the_session_s_token_only() -> None:
    client = app.test_client()
    await client.post("/sign-in", form={"name": "Ada"})
    (token,) = re.findall(r'name="csrf_token" value="([^"]+)"', await page_of(client))
    for wrong in ({}, {"csrf_token": ""}, {"csrf_token": "é"}):
        assert (await client.post("/", form={"comment": "Hi", **wrong})).status_code == 400
    sent = await client.post("/", form={"comment": "Hi", "csrf_token": token})
    assert "You sent: Hi" in await sent.get_data(as_text=True)
    nobody = app.test_client()
    assert (await nobody.post("/", form={"csrf_token": ""})).status_code == 400
