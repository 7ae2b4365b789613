"""Drafts that a browser keeps, lists and drops, in process."""

from __future__ import annotations

import json
from typing import Any

from quart import Response

from tests.helpers.site import OWN, Browser

PATH = "/_idle/drafts"

FIELDS = [["title", "Hello"], ["text", "One\ntwo ☃"], ["text", ""]]


# What anything answers to, as somebody types it.
METHODS: dict[str, dict[str, Any]] = {
    "POST": {"data": json.dumps({"form": "note", "page": "/notes", "fields": FIELDS})},
    "GET": {"query_string": {"page": "/notes"}},
    "DELETE": {"query_string": {"page": "/notes", "form": "note"}},
}


async def keep(
    browser: Browser, form: str = "note", page: str = "/notes", fields: Any = FIELDS
) -> int:
    """Keep a draft; the status."""
    body = {"form": form, "page": page, "fields": fields}
    answer = await browser.client.post(PATH, json=body, headers=OWN)
    assert answer.status_code != 204 or await answer.get_data() == b""
    return answer.status_code


async def listed(browser: Browser, **query: str) -> list[dict[str, Any]]:
    """The drafts that a browser is told of."""
    answer = await browser.client.get(PATH, query_string=query)
    assert answer.status_code == 200
    found: dict[str, list[dict[str, Any]]] = await answer.get_json()
    assert list(found) == ["drafts"]
    return found["drafts"]


async def forms(browser: Browser, **query: str) -> list[str]:
    return [draft["form"] for draft in await listed(browser, **query)]


async def drop(browser: Browser, **query: str) -> int:
    answer = await browser.client.delete(PATH, query_string=query, headers=OWN)
    return answer.status_code


async def every_answer(browser: Browser) -> list[Response]:
    """What is said to each of the methods."""
    return [
        await browser.client.open(PATH, method=method, headers=OWN, **options)
        for method, options in METHODS.items()
    ]


TEXTS = ["ada", "/notes", "note", "title", "Hello"]
