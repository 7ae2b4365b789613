"""A worker that has a page open, until it is killed.

``python -m tests.helpers.present_worker URL TOKEN``: it says when the store knows of the page.
"""

from __future__ import annotations

import asyncio
import sys

from quart import Quart

import quart_idle.extension
from quart_idle import QuartIdle
from quart_idle.stores.base import Times
from tests.helpers.site import Browser
from tests.helpers.sockets import open_page
from tests.helpers.waiting import until

#: How long what counts there.
TIMES = Times(lease=6.0, renewal=1.0, grace=6.0)


async def _main(url: str, token: str) -> None:
    quart_idle.extension.TIMES = TIMES
    app = Quart(__name__)
    idle = QuartIdle(app, store=url, timeout=600, store_timeout=20)
    async with app.test_app(), open_page(Browser(app, token)):

        async def is_known() -> int:
            return (await idle.presence.count()).pages

        await until(is_known)
        print("open", flush=True)
        await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
