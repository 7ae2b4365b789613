"""What a user sees and does in a tab, in any engine, by the words that are there."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.helpers.engines.driver import Engine, Tab
from tests.helpers.waiting import PATIENCE, until

PROMPT = "You\u2019re about to be signed out"
COVER = "You have been signed out"
VEIL = "Checking whether you are still signed in…"

# So many are painted.
FRAMES = """async (number) => {
  while (number--) await new Promise(requestAnimationFrame);
}"""

# What of the client's can be seen: the dialog's title and words, and where the focus is.
_DIALOG = """() => {
  const root = document.querySelector("quart-idle")?.shadowRoot;
  const dialog = root?.querySelector("dialog[open]");
  return dialog && {
    title: dialog.querySelector("h2").textContent,
    text: dialog.innerText,
    focus: root.activeElement?.textContent ?? null,
  };
}"""

# Where the middle of what has this name is, if a pointer gets there.
_PLACE = """(name) => {
  const ours = [...document.querySelectorAll("quart-idle, quart-idle-draft")];
  const roots = [document, ...ours.map((host) => host.shadowRoot)];
  const named = (element) =>
    [element.labels?.[0]?.textContent, element.ariaLabel, element.textContent].some(
      (text) => text?.trim() === name);
  for (const root of roots)
    for (const element of root.querySelectorAll("a, button, input, select, textarea")) {
      if (!named(element)) continue;
      element.scrollIntoView({ block: "nearest" });
      const { left, top, width, height } = element.getBoundingClientRect();
      const [x, y] = [left + width / 2, top + height / 2];
      let hit = document.elementFromPoint(x, y);
      if (hit?.shadowRoot) hit = hit.shadowRoot.elementFromPoint(x, y);
      if (hit === element) return [x, y];
    }
}"""

_ON_TOP = """() => {
  const places = [0.05, 0.5, 0.95];
  return places.flatMap((x) => places.map((y) =>
    document.elementFromPoint(x * innerWidth, y * innerHeight)?.localName));
}"""


async def dialog_in(tab: Tab) -> dict[str, Any] | None:
    """The client's dialog that is open: its title, its text, and what in it has the focus."""
    found: dict[str, Any] | None = await tab.evaluate(_DIALOG)
    return found


async def title_in(tab: Tab) -> str | None:
    """The title of the client's dialog; none if none is open."""
    found = await dialog_in(tab)
    return found["title"] if found else None


async def shown(tab: Tab, title: str, words: str = "", within: float = PATIENCE) -> dict[str, Any]:
    """Wait for the client's dialog of this title, with these words."""

    async def is_it() -> dict[str, Any] | None:
        found = await dialog_in(tab)
        return found if found and found["title"] == title and words in found["text"] else None

    found: dict[str, Any] = await until(is_it, within)
    return found


async def uncovered(tab: Tab, within: float = PATIENCE) -> None:
    """Wait until no dialog of the client's is open."""

    async def is_none() -> bool:
        return await dialog_in(tab) is None

    await until(is_none, within)


async def is_covered(tab: Tab) -> bool:
    """Whether nothing of the page can be seen or clicked."""
    return set(await tab.evaluate(_ON_TOP)) == {"quart-idle"}


async def state_of(tab: Tab) -> str | None:
    """What the client knows of the session."""
    state: str | None = await tab.evaluate("() => document.documentElement?.quartIdle?.state")
    return state


async def heading_of(tab: Tab) -> str | None:
    text: str | None = await tab.evaluate("() => document.querySelector('h1')?.textContent")
    return text


async def desk_at(engine: Engine, url: str, user: str = "") -> Tab:
    """A tab for requests with the browser's cookies, whose page is nobody's; signs this user in."""
    desk = await engine.tab()
    await desk.go(f"{url}/frame")
    if user:
        await sign_in(desk, user)
    return desk


async def sign_in(desk: Tab, user: str) -> None:
    await post(desk, f"/sign-in/{user}")


async def open_page(engine: Engine, url: str) -> Tab:
    """A new tab whose page has heard from the server."""
    tab = await engine.tab()
    await go(tab, url)
    return tab


async def go(tab: Tab, url: str) -> None:
    """To a page that hears from the server."""
    await tab.go(url)

    async def has_heard() -> bool:
        return await state_of(tab) not in (None, "checking")

    await until(has_heard)


async def click(tab: Tab, name: str) -> None:
    """Click what has this name, as soon as a pointer gets there."""
    await tab.click(*await until(partial(tab.evaluate, _PLACE, name)))


async def is_within_reach(tab: Tab, name: str) -> bool:
    return await tab.evaluate(_PLACE, name) is not None


async def write(tab: Tab, name: str, text: str) -> None:
    """Type into the field of this name."""
    await click(tab, name)
    await tab.type(*text)


async def value_of(tab: Tab, selector: str) -> Any:
    return await tab.evaluate("(selector) => document.querySelector(selector).value", selector)


async def post(tab: Tab, path: str) -> None:
    """A request by the page that is there."""
    send = "(path) => fetch(path, { method: 'POST' }).then(({ ok }) => ok)"
    assert await tab.evaluate(send, path)


async def get(tab: Tab, path: str) -> Any:
    """What a request by the page that is there is answered."""
    return await tab.evaluate("(path) => fetch(path).then((response) => response.json())", path)


async def tab_at(engine: Engine, path: str) -> Tab:
    """The tab or window with the page of this path."""
    loaded = "() => document.readyState === 'complete' && location.pathname"

    async def find() -> Tab | None:
        for tab in await engine.tabs():
            if await tab.evaluate(loaded) == path:
                return tab
        return None

    tab: Tab = await until(find)
    return tab
