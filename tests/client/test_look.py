"""How prompt and cover look: colours, sizes, motion, and to axe."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Locator, Page, expect

from tests.helpers.browser import Browser
from tests.helpers.colors import brightness, contrast
from tests.helpers.servers import Serve
from tests.helpers.shown import cover_in, heard, prompt_in
from tests.helpers.visits import end_by_time, open_warned
from tests.helpers.waiting import until

# They are warned after half a second, and have two minutes.
PATIENT = {"keepalive": "activity", "timeout": 120.5, "warning": 120, "sign_out_url": "/?out"}

SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")

FORCED: Final[tuple[Literal["none", "active"], ...]] = ("none", "active")


def on_screen(page: Page) -> Locator:
    """The prompt or the cover, whichever is shown, in any language."""
    return page.locator("quart-idle dialog[open]")


# What of an element's look the tests ask for.
LOOK = """(element) => {
  const style = getComputedStyle(element);
  return {
    text: style.color,
    ground: style.backgroundColor,
    border: style.borderTopColor,
    radius: style.borderTopLeftRadius,
    width: style.width,
    behind: getComputedStyle(element, "::backdrop").backgroundColor,
  };
}"""


async def look_of(element: Locator) -> dict[str, str]:
    found: dict[str, str] = await element.evaluate(LOOK)
    return found


# What an application's own style sheet says.
ACCENT = """
html { --quart-idle-accent: #fd0; --quart-idle-on-accent: #010101; --quart-idle-font: serif }
quart-idle::part(link) { letter-spacing: 3px }
"""


async def test_custom_properties_change_the_look(serve_pages: Serve, browser: Browser) -> None:
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url)
    wanted = {
        "fg": "rgb(0, 0, 128)",
        "bg": "rgb(255, 255, 240)",
        "border": "rgb(255, 0, 0)",
        "radius": "3px",
        "width": "400px",
        "backdrop": "rgb(0, 128, 0)",
        "veil": "rgb(240, 240, 255)",
    }
    for name, value in wanted.items():
        await page.evaluate(
            "([name, value]) => document.documentElement.style.setProperty(name, value)",
            [f"--quart-idle-{name}", value],
        )
    look = await look_of(prompt_in(page))
    assert look == {
        "text": wanted["fg"],
        "ground": wanted["bg"],
        "border": wanted["border"],
        "radius": wanted["radius"],
        "width": wanted["width"],
        "behind": wanted["backdrop"],
    }
    button = await look_of(prompt_in(page).get_by_role("button").first)
    assert (button["text"], button["ground"]) == (wanted["bg"], wanted["fg"])
    await page.add_style_tag(content=ACCENT)
    button = await look_of(prompt_in(page).get_by_role("button").first)
    assert (button["text"], button["ground"]) == ("rgb(1, 1, 1)", "rgb(255, 221, 0)")
    await expect(prompt_in(page)).to_have_css("font-family", "serif")
    await expect(prompt_in(page).get_by_role("button", name="Sign out")).to_have_css(
        "letter-spacing", "3px"
    )
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    look = await look_of(cover_in(page))
    assert (look["text"], look["ground"]) == (wanted["fg"], wanted["veil"])


async def test_the_default_look_is_the_system_s_with_contrast_and_without_motion(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url)
    grounds = []

    async def check(dialog: Locator, colors: str) -> None:
        ground = (await look_of(dialog))["ground"]
        grounds.append(ground)
        for element in await dialog.locator("h2, p, a, button").all():
            if not await element.is_visible():
                continue
            look = await look_of(element)
            own = ground if look["ground"] == "rgba(0, 0, 0, 0)" else look["ground"]
            if colors == "active":
                own = ground  # such a plate is put behind all text
            assert contrast(look["text"], own) >= 7, look
        # The button is seen to be one.
        button = await look_of(dialog.get_by_role("button").first)
        assert max(contrast(button[part], ground) for part in ("ground", "border")) >= 3

    async def check_all() -> None:
        for colors in FORCED:
            for scheme in SCHEMES:
                await page.emulate_media(
                    color_scheme=scheme, forced_colors=colors, reduced_motion="reduce"
                )
                await check(on_screen(page), colors)
        moving = await page.evaluate(
            """() => [...document.querySelector("quart-idle").shadowRoot.querySelectorAll("*")]
              .map((element) => getComputedStyle(element))
              .filter((style) =>
                style.animationName !== "none" || parseFloat(style.transitionDuration)).length"""
        )
        assert moving == 0
        assert await page.evaluate("document.getAnimations().length") == 0

    await check_all()
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    await check_all()
    light, dark = grounds[:2]
    assert brightness(light) > 0.8
    assert brightness(dark) < 0.05


async def test_axe_finds_nothing_in_prompt_and_cover_in_light_and_dark(
    serve_pages: Serve, browser: Browser, tmp_path: Path
) -> None:
    axe = Axe()
    folder = Path(os.environ.get("QUART_IDLE_SCREENSHOTS", tmp_path))
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url)
    await page.set_viewport_size({"width": 800, "height": 560})

    async def check(name: str) -> None:
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=folder / f"{name}-{scheme}.png")
            found = await axe.run(page, options={})
            assert not found.response["violations"], found.generate_report()
            assert "#" + name in str(found.response["passes"])  # it has looked inside

    await check("prompt")
    await end_by_time(browser, server.url)
    await expect(cover_in(page)).to_be_visible()
    await check("cover")


async def test_at_200_percent_and_on_a_narrow_screen_everything_is_within_reach(
    serve_pages: Serve, browser: Browser
) -> None:
    server = serve_pages(PATIENT)
    page = await open_warned(browser, server.url, "/language/de")
    cdp = await browser.context.new_cdp_session(page)

    async def check() -> None:
        dialog = on_screen(page)
        await expect(dialog).to_be_visible()
        # 1280 pixels at 200% and 400%, and a phone: WCAG 2.2, 1.4.4 and 1.4.10.
        for width, height, scale in ((640, 360, 2), (320, 256, 4), (320, 480, 1)):
            metrics = {"width": width, "height": height, "deviceScaleFactor": scale}
            await cdp.send("Emulation.setDeviceMetricsOverride", {**metrics, "mobile": False})
            await until(partial(page.evaluate, f"innerWidth === {width}"))
            assert await dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
            assert await page.locator("html").evaluate("(e) => e.scrollWidth <= e.clientWidth")
            for element in await dialog.locator("h2, button, a").all():
                if await element.is_visible():
                    await element.scroll_into_view_if_needed()
                    await expect(element).to_be_in_viewport(ratio=1)
        # On the phone nothing has to be scrolled.
        assert await dialog.evaluate("(dialog) => dialog.scrollHeight <= dialog.clientHeight")

    await check()
    await browser.post(f"{server.url}/sign-out")
    await until(lambda: heard(page, "ended"))
    await check()


NAMES = ("Ada's <b>Bank</b>", "مصرف آدا", "Longname" * 40)


@pytest.mark.parametrize("name", NAMES, ids=["escaped", "right to left", "long"])
async def test_prompt_and_cover_say_whose_they_are_and_everything_can_be_touched(
    serve_pages: Serve, browser: Browser, name: str
) -> None:
    server = serve_pages({**PATIENT, "site_name": name})
    page = await open_warned(browser, server.url)
    await page.set_viewport_size({"width": 320, "height": 480})

    async def check() -> None:
        dialog = on_screen(page)
        site, title = dialog.get_by_text(name, exact=True), dialog.get_by_role("heading")
        await expect(site).to_be_visible()
        # At the side where the dialog's own text begins, and above it.
        boxes = [await element.bounding_box() for element in (site, title)]
        assert boxes[0]
        assert boxes[1]
        assert boxes[0]["x"] == pytest.approx(boxes[1]["x"], abs=1)
        assert boxes[0]["y"] < boxes[1]["y"]
        assert await dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
        for element in await dialog.locator("button:visible, a:visible").all():
            found = await element.bounding_box()
            assert found
            assert min(found["height"], found["width"]) >= 44

    await check()
    await browser.post(f"{server.url}/sign-out")
    await expect(cover_in(page)).to_be_visible()
    await check()
