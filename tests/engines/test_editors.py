"""Editors, whose text is kept as a draft, in three engines."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.engines.acts import click, get, open_page, write
from tests.helpers.engines.driver import Engine, Tab
from tests.helpers.engines.scenarios import scenario
from tests.helpers.npm import built_editors
from tests.helpers.servers import Serve
from tests.helpers.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.npm]

# One that is edited in place beside the example's own; what is to have the focus.
ADD = """() => {
  document.forms[0].insertAdjacentHTML("beforeend",
    "<div contenteditable id=plain data-quart-idle-field=plain></div>");
}"""
FOCUS = {
    "plain": "() => document.querySelector('#plain').focus()",
    "code": "() => document.querySelector('#code .cm-content').focus()",
    "text": "() => tinymce.activeEditor.focus()",
}
READY = "() => 'value' in (document.querySelector('#text') ?? {})"

# What is seen.
SHOWN = """() => [document.querySelector("#plain"), document.querySelector("#code .cm-content"),
  document.querySelector("#text iframe").contentDocument.body].map((it) => it.innerText.trim())"""


async def signed_in(engine: Engine, url: str) -> Tab:
    page = await engine.tab()
    await page.go(url)
    await write(page, "Name", "Ada")
    await click(page, "Sign in")
    await ready(page)
    return page


async def ready(page: Tab) -> None:
    await until(partial(page.evaluate, READY))
    await page.evaluate(ADD)


@scenario("what was typed in contenteditable, CodeMirror and TinyMCE is kept and restored")
async def test_what_was_typed_into_editors_is_kept_and_restored(
    serve: Serve,
    engine: Engine,
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    node_modules: Path = built_editors(pytestconfig, tmp_path_factory)
    server = serve(
        target="examples.pages.editors:app", environment={"NODE_MODULES": str(node_modules)}
    )
    page = await signed_in(engine, server.url)
    for name, focus in FOCUS.items():
        await page.evaluate(focus)
        await page.type(*f"for {name}")

    async def kept() -> Any:
        # As before it is left, where nobody can say when it is.
        await page.evaluate("() => { dispatchEvent(new Event('beforeunload')); }")
        drafts = (await get(page, "/_idle/drafts"))["drafts"]
        fields = dict(map(tuple, drafts[0]["fields"])) if drafts else {}
        wanted = {"plain": "for plain", "code": "for code", "text": "<p>for text</p>"}
        return fields == wanted

    await until(kept, within=30)
    page = await open_page(engine, server.url)
    await ready(page)
    assert await page.evaluate(SHOWN) == ["", "", ""]
    await click(page, "Restore")

    async def is_restored() -> bool:
        shown: list[str] = await page.evaluate(SHOWN)
        return shown == ["for plain", "for code", "for text"]

    await until(is_restored)
