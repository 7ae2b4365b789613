"""How the client's files are served: small, kept for good, and all of one version."""

from __future__ import annotations

import gzip
import re

import pytest
from quart import Response

from quart_idle.client import takes_gzip
from tests.helpers.client_files import LATER, MODULES, STATIC, files, served
from tests.helpers.site import Browser, MakeSite, tag

PACKED = {"Accept-Encoding": "br, gzip"}


async def get(browser: Browser, path: str, **headers: str) -> Response:
    return await browser.client.get(path, headers=headers)


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        *((None, False), ("", False), ("identity", False), ("br", False), ("gzip", True)),
        *(("gzip, deflate, br, zstd", True), ("br;q=1.0, GZIP ; q=0.8", True), ("*", True)),
        *(("gzip;q=0", False), ("gzip;q=0.000", False), ("*;q=0", False), ("x-gzip", True)),
        *(("gzip;q=0, *", False), ("identity, gzip;q=0.5", False), ("gzip;q=x", False)),
        ("gzip;level=9;q=1", True),
    ],
)
def test_what_a_request_accepts_is_read_with_its_weights(accepted: str | None, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


async def test_each_file_is_sent_gzipped_to_whom_takes_it_and_kept_for_good(site: MakeSite) -> None:
    browser = await site().signed_in()
    first, *_ = await files(browser)
    folder = first.rpartition("/")[0]
    for name in MODULES:
        plain = await browser.client.get(f"{folder}/{name}")
        packed = await browser.client.get(f"{folder}/{name}", headers=PACKED)
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        body = bytes(await packed.get_data(as_text=False))
        assert int(packed.headers["Content-Length"]) == len(body)
        assert gzip.decompress(body) == await plain.get_data()
        for answer in (plain, packed):
            # So a proxy keeps both, and gzips none again.
            assert answer.headers["Vary"] == "Accept-Encoding"
            assert answer.headers["Content-Type"].startswith("text/javascript")
            assert "immutable" in answer.headers["Cache-Control"]
        head = await browser.client.head(f"{folder}/{name}")
        assert head.status_code == 200


async def test_a_page_without_drafts_loads_ten_kilobytes_at_most(site: MakeSite) -> None:
    browser = await site().signed_in()
    paths = await files(browser)
    size = 0
    for path in paths:
        size += len(bytes(await (await browser.client.get(path, headers=PACKED)).get_data(False)))
    assert size <= 10_240
    # And these are all but what only drafts need.
    assert {path.rpartition("/")[2] for path in paths} == MODULES - LATER


# Comments and literals, whichever comes first.
PIECES = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`""", re.DOTALL)


def code_in(text: str) -> list[str]:
    """The lines of a module without its comments and indentation."""
    code = PIECES.sub(
        lambda piece: re.sub(r"[^\n]", "", piece[0]) if piece[0][0] == "/" else piece[0], text
    )
    return [line.strip() for line in code.split("\n")]


async def test_comments_and_indentation_are_not_sent_and_every_line_keeps_its_number(
    site: MakeSite,
) -> None:
    texts = await served(await site().signed_in())
    assert set(texts) == MODULES
    for name, text in texts.items():
        assert not re.search(r"^\s*(//|/\*)|\s// ", text, re.MULTILINE)
        assert code_in(text) == code_in((STATIC / name).read_text())


@pytest.mark.parametrize("name", sorted(MODULES))
async def test_a_module_imports_only_what_a_page_has_by_then(site: MakeSite, name: str) -> None:
    here = site()
    at_once = {path.rpartition("/")[2] for path in await files(await here.signed_in())}
    source = (STATIC / name).read_text()
    imported = set(re.findall(r'^(?:import|export) .*?"\./([^"]+\.js)";', source, re.MULTILINE))
    assert imported <= (MODULES if name in LATER else at_once)


async def test_the_client_has_an_address_without_a_version_for_modules_of_one_s_own(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()
    *_, entry, _ = await files(browser)
    for path in ("/_idle/quart-idle.js", "/_idle/quart-idle.js?v=0123456789ab"):
        answer = await browser.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Content-Type"].startswith("text/javascript")
        text = str(await answer.get_data(as_text=True))
        assert f'export * from ".{entry.removeprefix("/_idle")}?' in text
        for imported in re.findall(r'"\.(/[^"]+)"', text):
            assert (await browser.client.get(f"/_idle{imported}")).status_code == 200


async def test_a_page_of_another_version_asks_again_since_another_worker_may_have_it(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()
    *_, entry, _ = await files(browser)
    for name, last in ("quart-idle.js", 307), ("session.js", 404):
        path = f"/_idle/0123456789ab/{name}"
        for number in range(1, 11):
            answer = await browser.client.get(path)
            assert (answer.status_code, answer.headers["Cache-Control"]) == (307, "no-store")
            assert answer.headers["Quart-Idle"] == "1"
            # By another connection: balancers may know of no requests.
            assert answer.headers["Connection"] == "close"
            assert answer.headers["Location"] == f"./{name}?again={number}"
            path = f"/_idle/0123456789ab/{name}?again={number}"
        # None has. Never a part of this one beside parts of that one: the entry, for all of it.
        answer = await browser.client.get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (last, "no-store")
        assert "Connection" not in answer.headers
        if last == 307:
            assert answer.headers["Location"] == f"..{entry.removeprefix('/_idle')}"
    assert (await browser.client.get(f"{entry.rpartition('/')[0]}/none.js")).status_code == 404


async def test_a_page_of_another_version_does_not_wait_for_the_script_that_hides_it(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()
    *_, back = await files(browser)
    answer = await browser.client.get("/_idle/0123456789ab/back.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (307, "no-store")
    assert answer.headers["Location"] == f"..{back.removeprefix('/_idle')}"


async def test_what_failed_can_be_had_below_an_address_that_no_browser_has_seen_fail(
    site: MakeSite,
) -> None:
    browser = await site().signed_in()
    *_, entry, _ = await files(browser)
    text = await (await browser.client.get("/_idle/quart-idle.js?3")).get_data(as_text=True)
    folder = entry.rpartition("/")[0] + "-3"
    assert text == f'export * from ".{folder.removeprefix("/_idle")}/quart-idle.js";\n'
    for name, written in (await served(browser)).items():
        answer = await browser.client.get(f"{folder}/{name}")
        assert await answer.get_data(as_text=True) == written
        assert "immutable" in answer.headers["Cache-Control"]
    answer = await browser.client.get("/_idle/0123456789ab-3/session.js?again=4")
    assert answer.headers["Location"] == "./session.js?again=5"


async def test_below_a_prefix_of_one_s_own_the_files_are_found_too(site: MakeSite) -> None:
    browser = await site(url_prefix="/alive/still").signed_in()
    for path in await files(browser):
        assert path.startswith("/alive/still/")
        assert (await browser.client.get(path)).status_code == 200
    assert "integrity" not in await tag(browser)
