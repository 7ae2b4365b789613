"""``examples/pages`` does what its guide says; what needs a browser is in ``tests/client``."""

from __future__ import annotations

import asyncio
import json
import re
import time
from html import unescape

import pytest

from examples.pages import app
from examples.pages.languages import TEXTS


@pytest.mark.parametrize("language", ["en", *TEXTS])
async def test_the_client_speaks_the_language_that_the_browser_asks_for(language: str) -> None:
    client = app.test_client()
    await client.post("/sign-in", form={"name": "Ada"})
    response = await client.get("/", headers={"Accept-Language": f"{language}, de;q=0.5"})
    page = await response.get_data(as_text=True)
    assert f'<html lang="{language}"' in page
    texts = re.findall(r'data-texts="([^"]*)"', page)
    assert [json.loads(unescape(text)) for text in texts] == [
        TEXTS[name] for name in [language] if name in TEXTS
    ]


@pytest.mark.parametrize("path", ["/messages", "/api/me"])
async def test_who_asks_by_script_and_is_not_signed_in_is_told_401_and_not_led_elsewhere(
    path: str,
) -> None:
    client = app.test_client()
    assert (await client.get(path)).status_code == 401
    await client.post("/api/sign-in", json={"name": "Ada"})
    assert (await client.get(path)).status_code == 200
    await client.post("/api/sign-out")
    assert (await client.get(path)).status_code == 401


@pytest.mark.parametrize(
    ("path", "counts"), [("/unread", False), ("/messages", False), ("/", True)]
)
async def test_what_a_page_asks_for_by_itself_is_no_activity(path: str, counts: bool) -> None:
    client = app.test_client()
    await client.post("/sign-in", form={"name": "Ada"})
    await asyncio.sleep(1)
    asked = time.monotonic()
    assert (await client.get(path)).status_code == 200
    await asyncio.sleep(0.7)  # whether it is activity is asked when it was routed
    left = (await (await client.get("/_idle/state")).get_json())["left"] / 1000
    assert (left > 60 - (time.monotonic() - asked) - 0.5) is counts
