"""Drafts over Redis, and from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from quart import Quart

from quart_idle import QuartIdle
from quart_idle.stores.base import DRAFT_KEPT
from tests.helpers.handlers import session
from tests.helpers.kept_drafts import FIELDS, PATH, TEXTS, drop, forms, keep, listed
from tests.helpers.redis_servers import RedisServer, redis_server
from tests.helpers.servers import NewClient, Serve, signed_in
from tests.helpers.site import KEY, Browser


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@asynccontextmanager
async def worker(redis: RedisServer) -> AsyncIterator[Browser]:
    """A worker of an application's, and a browser that talks to it."""
    app = Quart("tests")
    app.config.update(KEY)
    QuartIdle(app, store=redis.url, drafts=True)

    @app.post("/sign-in/<user>")
    async def sign_in(user: str) -> str:
        session.user_id = user
        return ""

    async with app.test_app():
        yield Browser(app)


async def test_drafts_are_kept_for_all_workers_and_sealed_in_redis(redis: RedisServer) -> None:
    async with worker(redis) as one, worker(redis) as other:
        for browser in (one, other):
            await browser.client.post("/sign-in/ada")
        assert await keep(one) == 204
        [draft] = await listed(other, page="/notes")
        assert (draft["form"], draft["fields"]) == ("note", FIELDS)
        assert 0 <= draft["age"] < 20_000
        with redis.client as client:
            [key] = client.scan_iter("*:draft:*")
            for told in (key, *client.hgetall(key).values()):
                for text in TEXTS:
                    assert text.encode() not in told
            assert 0 < client.pttl(key) <= DRAFT_KEPT * 1000
            # Into another user's box, under the name that it would have there.
            await other.client.post("/sign-in/bob")
            assert await keep(other) == 204
            [place] = set(client.scan_iter("*:draft:*")) - {key}
            client.hset(place, "draft", client.hget(key, "draft"))
        assert await listed(other) == []
        assert await forms(one) == ["note"]
        assert await drop(one, page="/notes", form="note") == 204
        assert await listed(one) == []


async def test_drafts_work_under_a_real_server(serve: Serve, client: NewClient) -> None:
    server = serve({"drafts": True})
    user = await signed_in(server, client)
    draft = {"form": "note", "page": "/notes", "fields": FIELDS}
    kept = await user.post(PATH, json=draft)
    assert (kept.status_code, kept.content) == (204, b"")
    assert "Content-Length" not in kept.headers
    [found] = (await user.get(PATH, params={"page": "/notes"})).json()["drafts"]
    assert found.pop("age") >= 0
    assert found == draft
    large = await user.post(PATH, content=b"x" * 1_000_000)
    assert large.status_code == 413
    assert (await user.delete(PATH, params={"page": "/notes", "form": "note"})).status_code == 204
    assert (await user.get(PATH)).json() == {"drafts": []}
