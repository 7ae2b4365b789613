"""What the README says is what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import quart_idle
from quart_idle.config import Options
from tests.helpers.listings import GUIDES, blocks, text_of

pytestmark = pytest.mark.once

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
    for text in map(text_of, GUIDES):
        assert re.findall(r"^[A-Z_]{5,}$|[A-Z]+_PER_[A-Z]+", text, re.MULTILINE) == []


def test_the_quick_start_is_the_minimal_example() -> None:
    assert blocks("python")[0] == (_ROOT / "examples" / "minimal.py").read_text()


async def test_the_minimal_example_works() -> None:
    from examples.minimal import app

    browser = app.test_client()
    assert "quart-idle.js" not in await (await browser.get("/")).get_data(as_text=True)
    page = await browser.post("/", form={"name": "A" * 70_000}, follow_redirects=True)
    assert page.status_code == 200
    page = await browser.post("/", form={"name": "<Ada>"}, follow_redirects=True)
    text = await page.get_data(as_text=True)
    assert "Hello &lt;Ada&gt;" in text
    assert "quart-idle.js" in text
    assert "Hello &lt;Ada&gt;" in await (await browser.get("/")).get_data(as_text=True)
    assert (await browser.post("/sign-out", follow_redirects=True)).status_code == 200
    text = await (await browser.get("/")).get_data(as_text=True)
    assert "Ada" not in text
    assert "quart-idle.js" not in text


def test_every_setting_is_in_the_readme_and_every_name_of_the_session_in_a_guide() -> None:
    settings = re.findall(r"^\| `QUART_IDLE_(\w+)`", _README, re.MULTILINE)
    assert sorted(name.lower() for name in settings) == sorted(Options.__annotations__)
    own = {name for name in vars(quart_idle.Session) if not name.startswith("_")}
    guides = "\n".join(map(text_of, GUIDES))
    for name in own:
        assert re.search(rf"[`.]{name}\b", guides), name
