"""Prompt and cover in the page's language."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.helpers.browser import Browser
from tests.helpers.servers import Serve
from tests.helpers.shown import heard, prompt_in
from tests.helpers.visits import UNTOUCHED, sign_in
from tests.helpers.waiting import until

# What a page is given


@pytest.mark.parametrize(
    ("lang", "unit"), [("pt_BR", "segundos"), ("not a language!", "seconds"), ("pt-", "segundos")]
)
async def test_a_page_s_language_need_not_be_one_for_the_prompt_to_come(
    serve: Serve, browser: Browser, lang: str, unit: str
) -> None:
    server = serve(UNTOUCHED | {"timeout": 5, "warning": 3})
    page = await browser.open(f"{await sign_in(browser, server.url)}?lang={lang}")
    await expect(prompt_in(page)).to_contain_text(unit)
    await expect(prompt_in(page).get_by_role("button")).to_have_text("Ficar")


# Any language, any look

KEEP_WHAT_IS_SAID = """(element) => {
  window.said = [element.textContent];
  new MutationObserver(() => said.push(element.textContent))
    .observe(element, { characterData: true, childList: true, subtree: true });
}"""


async def test_prompt_and_cover_speak_the_page_s_language(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages({"keepalive": "activity", "timeout": 10, "warning": 9.5})
    await browser.post(f"{server.url}/sign-in/ada")
    german = await browser.open(f"{server.url}/language/de")
    arabic = await browser.open(f"{server.url}/language/ar")
    prompt = german.get_by_role("dialog", name="Sie werden gleich abgemeldet")
    await expect(prompt).to_contain_text(
        re.compile(r"Zu Ihrer Sicherheit melden wir Sie in \d+ Sekunden ab\.")
    )
    await expect(prompt.get_by_role("button")).to_have_text("Angemeldet bleiben")
    await expect(prompt).to_have_css("direction", "ltr")
    prompt = arabic.get_by_role("dialog", name="سيتم تسجيل خروجك قريبًا")
    await expect(prompt).to_have_css("direction", "rtl")
    title, button = (
        await box(prompt.get_by_role("heading")),
        await box(prompt.get_by_role("button")),
    )
    assert title["x"] + title["width"] == pytest.approx(button["x"] + button["width"], abs=1)
    await prompt.locator("[aria-hidden]").evaluate(KEEP_WHAT_IS_SAID)
    await until(lambda: heard(arabic, "ended"))
    said = await arabic.evaluate("said")
    # A few, two, one: all of them plurals of their own.
    for time_left in ("3 ثوان", "ثانيتان", "ثانية"):
        assert f"حفاظًا على أمانك، سنسجّل خروجك خلال {time_left}." in said
    cover = arabic.get_by_role("dialog", name="تم تسجيل خروجك")
    await expect(cover).to_contain_text("حفاظًا على أمانك: لم يكن هناك نشاط.")
    cover = german.get_by_role("dialog", name="Sie wurden abgemeldet")
    await expect(cover.get_by_role("button")).to_have_text("Wieder anmelden")


async def box(element: Locator) -> Any:
    found = await element.bounding_box()
    assert found
    return found
