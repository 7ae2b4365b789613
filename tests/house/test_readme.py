"""What the README says is what is there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, cast

from quart import Quart, render_template_string, session

import quart_idle
from quart_idle import QuartIdle
from quart_idle.config import Options
from tests.helpers.listings import blocks

_ROOT = Path(__file__).parent.parent.parent
_README = (_ROOT / "README.md").read_text()


def test_the_first_block_is_the_two_commands_and_ci_runs_the_second() -> None:
    first = re.search(r"^```\w*\n(.*?)^```", _README, re.DOTALL | re.MULTILINE)
    assert first is not None
    demo, tests = first[1].splitlines()
    assert demo.endswith("hypercorn examples.demo:app")
    assert tests.endswith("-m pytest")
    assert tests in (_ROOT / ".ci" / "run").read_text().splitlines()


def test_nothing_is_left_to_be_filled_in() -> None:
    assert re.findall(r"^[A-Z_]{5,}$|[A-Z]+_PER_[A-Z]+", _README, re.MULTILINE) == []


def test_the_quick_start_is_the_minimal_example() -> None:
    assert blocks("python")[0] == (_ROOT / "examples" / "minimal.py").read_text()


async def test_the_minimal_example_works() -> None:
    from examples.minimal import app

    browser = app.test_client()
    assert "quart-idle.js" not in await (await browser.get("/")).get_data(as_text=True)
    assert (await browser.post("/", form={"name": "A" * 70_000})).status_code == 200
    page = await browser.post("/", form={"name": "<Ada>"})
    text = await page.get_data(as_text=True)
    assert "Hello &lt;Ada&gt;" in text
    assert "quart-idle.js" in text
    assert "Hello &lt;Ada&gt;" in await (await browser.get("/")).get_data(as_text=True)


async def test_the_other_listings_work() -> None:
    app = Quart(__name__)
    names: dict[str, Any] = {**vars(quart_idle), **vars(__import__("quart"))}
    names |= {"app": app, "idle": QuartIdle(app)}

    async def render_template(_: str, **context: Any) -> str:
        return await render_template_string("{{ why }}", **context)

    names["render_template"] = render_template
    for listing in blocks("python")[1:]:
        exec(compile(listing, "README.md", "exec"), names)  # noqa: S102

    @app.post("/sign-in")
    async def sign_in() -> str:
        session["cart"] = []
        return ""

    @app.post("/sign-out")
    async def sign_out() -> str:
        cast(quart_idle.Session, session).end("closed")
        return ""

    browser = app.test_client()
    assert await (await browser.get("/unread")).get_json() == {"unread": 3}
    await browser.post("/sign-in")
    async with browser.websocket("/cart") as socket:
        await socket.send_json(["apple"])
        await asyncio.sleep(0.1)  # a handler is cancelled when its client goes
    assert (await browser.post("/report")).status_code == 200
    await asyncio.sleep(0.1)
    async with browser.session_transaction() as stored:
        assert dict(stored) == {"cart": ["apple"], "report": "ready"}
    # Ended elsewhere: this browser keeps the cookie.
    other = app.test_client()
    for cookie in browser.cookie_jar or ():
        other.cookie_jar.set_cookie(cookie)  # type: ignore[union-attr]
    await other.post("/sign-out")
    page = await browser.get("/sign-in")
    assert await page.get_data(as_text=True) == "closed"


def test_every_setting_and_every_name_of_the_session_is_in_the_readme() -> None:
    settings = re.findall(r"^\| `QUART_IDLE_(\w+)`", _README, re.MULTILINE)
    assert sorted(name.lower() for name in settings) == sorted(Options.__annotations__)
    own = {name for name in vars(quart_idle.Session) if not name.startswith("_")}
    for name in own - {"clear"}:
        assert re.search(rf"[`.]{name}\b", _README), name
