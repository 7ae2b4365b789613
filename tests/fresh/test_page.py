"""What a page is told of a proof: whether its application wants any, and when there was one."""

from __future__ import annotations

from quart_idle import MemoryStore
from tests.helpers.clock import HOUR, MINUTE, Clock
from tests.helpers.handlers import regenerate
from tests.helpers.proofs import prove
from tests.helpers.site import Browser, MakeSite, tag
from tests.helpers.tampered_store import Tampered


async def told(browser: Browser) -> int | None:
    """How long ago the user proved who they are, in milliseconds."""
    state = await (await browser.client.get("/_idle/state?tag")).get_json()
    found: int | None = state["authenticated"]
    return found


async def test_a_page_is_told_how_long_ago_its_user_proved_who_they_are(
    site: MakeSite, clock: Clock
) -> None:
    here = site(timeout=100)
    browser, nobody = await here.signed_in(), here.browser()
    await nobody.visit(lambda session: session.update(cart=[1]))
    assert (await told(browser), await told(nobody)) == (0, None)
    await clock.advance(30)
    await browser.visit(regenerate)  # no proof
    assert await told(browser) == 30_000
    await browser.visit(prove)
    assert await told(browser) == 0


async def test_a_proof_of_before_the_clock_was_set_back_is_none_and_a_new_one_counts(
    site: MakeSite, clock: Clock
) -> None:
    ahead = [0.0]
    store = Tampered(MemoryStore(lambda: clock() + ahead[0]))
    here = site(timeout=HOUR, store=store)
    here.app.get("/guarded")(here.idle.fresh(MINUTE)(_done))
    browser = await here.signed_in()

    async def is_fresh() -> bool:
        return (await browser.visit(path="/guarded")).status == 200

    ahead[0] = -3  # another Redis took over
    assert (await is_fresh(), await told(browser)) == (True, 0)
    ahead[0] = -10
    assert (await is_fresh(), await told(browser)) == (False, None)
    await browser.visit(prove)
    assert (await is_fresh(), await told(browser)) == (True, 0)
    await clock.advance(MINUTE)
    assert not await is_fresh()


async def _done() -> str:
    return "done"


async def test_pages_of_users_load_what_asks_for_a_proof_where_a_view_wants_one_only(
    site: MakeSite,
) -> None:
    here = site()
    browser, nobody = await here.signed_in(), here.browser()
    await nobody.visit(lambda session: session.update(cart=[1]))
    assert "data-fresh" not in await tag(browser)

    @here.idle.fresh(within=60)
    async def wants_proof() -> str:
        return ""

    assert (await tag(browser))["data-fresh"] == "1"
    assert "data-fresh" not in await tag(nobody)
