"""The browser client's files: as they are written, and as they are served."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from quart import render_template_string

import quart_idle
from tests.helpers.site import Browser

STATIC = Path(quart_idle.__file__ or "").parent / "static"
MODULES = {path.name for path in STATIC.glob("*.js")}
# What is loaded where a form is marked, and when a page is warned or covered.
LATER = {
    "bar.js",
    "drafts.js",
    "embedded.js",
    "fields.js",
    "fresh.js",
    "kept.js",
    "popup.js",
    "signing.js",
    "title.js",
}


async def files(browser: Browser, arguments: str = "") -> list[str]:
    """The addresses of the files that a page loads at once."""
    text = (
        await browser.visit(
            lambda _: render_template_string(f"{{{{ quart_idle({arguments}) }}}}"),
        )
    ).value
    return [unescape(path) for path in re.findall(r' (?:src|href)="([^"]+)"', text)]


async def served(browser: Browser) -> dict[str, str]:
    """What is served of each module, by its name."""
    texts = {}
    for path in await files(browser, "integrity=True"):
        answer = await browser.client.get(path)
        texts[path.rpartition("/")[2]] = str(await answer.get_data(as_text=True))
    return texts
