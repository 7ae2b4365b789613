"""What the guides show is there, and runs."""

from __future__ import annotations

import importlib
import re
import tomllib

import httpx
import pytest
from quart import render_template_string

from examples.minimal import app as minimal
from examples.pages.languages import TEXTS
from tests.helpers.listings import GUIDES, ROOT, blocks, listings, text_of
from tests.helpers.servers import Serve

LISTINGS = [
    pytest.param(guide, kind, text, id=f"{guide} {number} {kind}")
    for guide in GUIDES
    for number, (kind, text) in enumerate(listings(guide))
]
SOURCES = {".py", ".js", ".css", ".html", ".conf", ".toml", ".service"}
# Other than in the files beside them, python and html may stand alone: then they are run here.
IN_FILES = {"python", "js", "css", "html", "nginx", "ini"}
COMMANDS = [line for guide in GUIDES for text in blocks("sh", guide) for line in text.splitlines()]
APPLICATIONS = sorted(
    set(re.findall(r"`?hypercorn (examples[\w.]*:app)`?", "\n".join(map(text_of, GUIDES))))
)


def lines_of(text: str) -> str:
    """A text without what indents it, each line with its end."""
    return "".join(f"{line.strip()}\n" for line in text.splitlines())


# The files that the guides explain, and the tests that run them.
FILES = [
    "\n" + lines_of(path.read_text())
    for folder in (ROOT / "examples", ROOT / "tests" / "examples")
    for path in folder.rglob("*")
    if path.suffix in SOURCES
]


@pytest.mark.parametrize(("guide", "kind", "text"), LISTINGS)
async def test_every_listing_is_part_of_a_file_that_runs_or_runs_as_it_stands(
    guide: str, kind: str, text: str
) -> None:
    if kind in IN_FILES and any("\n" + lines_of(text) in file for file in FILES):
        return
    if kind == "python":
        exec(compile(text, guide, "exec"), {})  # noqa: S102
    elif kind == "html":
        client = minimal.test_client()
        async with client.session_transaction() as stored:
            stored.user_id = "ada"  # type: ignore[attr-defined]
        cookie = next(iter(client.cookie_jar or ()))
        headers = {"Cookie": f"{cookie.name}={cookie.value}"}
        async with minimal.test_request_context("/", headers=headers):
            page = await render_template_string(text)
        assert "{{" not in page
    else:  # what is shown to be read, and what a test below or in test_deploy runs
        assert kind in {"sh", "text"}, kind


def test_what_is_only_shown_is_held_by_a_test_of_its_own() -> None:
    shown = [text for guide in GUIDES for text in blocks("text", guide)]
    starts = [" sign-in ", "ACL SETUSER", "INFO:quart_idle:"]
    assert [start for text in shown for start in starts if text.startswith(start)] == starts
    assert len(shown) == len(starts)


def test_every_command_is_one_that_a_test_runs_or_installs_what_there_is() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in COMMANDS:
        if line.startswith("pip install "):
            named = re.findall(r"\[([\w,]+)\]", line)
            assert set(",".join(named).split(",")) - {""} <= set(extras["optional-dependencies"])
        elif line.startswith("hypercorn --config "):
            assert line.split()[2:] == ["examples/deploy/hypercorn.toml", "examples.deploy:app"]
        elif line.startswith("python -m quart_idle move "):
            pass  # tests/stores/redis/test_move_command.py runs it
        elif line.startswith("umask 077 && python3 -c "):
            pass  # tests/house/test_one_host.py runs it
        elif line.startswith("python -m tests."):
            importlib.import_module(line.split()[-1])
        else:  # the README's first block has a test of its own
            assert line in blocks("sh")[0] or line.split()[-1] in APPLICATIONS, line


def test_every_table_of_cost_is_named() -> None:
    tables = text_of("tests/benchmarks/__main__.py").partition("_TABLES = {")[2].partition("}")[0]
    names = re.findall(r'"(\w+)":', tables)
    assert "requests" in names
    guide = text_of("tests/benchmarks/README.md")
    for name in names:
        assert f"`{name}`" in guide


@pytest.mark.parametrize("target", APPLICATIONS)
async def test_every_example_that_a_guide_names_starts_and_answers(
    serve: Serve, target: str
) -> None:
    server = serve(target=target)
    async with httpx.AsyncClient(base_url=server.url, follow_redirects=True) as browser:
        answer = await browser.get("/")
    assert answer.status_code == 200
    assert "<!doctype html>" in answer.text


def test_every_example_is_in_the_index() -> None:
    index = text_of("examples/README.md")
    for guide in GUIDES:
        if guide.startswith("examples/") and guide != "examples/README.md":
            assert f"({guide.removeprefix('examples/')})" in index
    folders = {path.parent.name for path in (ROOT / "examples").rglob("__init__.py")}
    for name in folders - {"examples"}:
        assert f"{name}/" in index


# Links.


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a text's headings."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("guide", [*GUIDES, "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_leads_somewhere(guide: str) -> None:
    text = text_of(guide)
    # (Pictures in links, and code in their texts, have brackets of their own.)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for link in links:
        if re.match(r"https?:", link) or "{{" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / guide).parent / path if path else ROOT / guide
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


# What is said in two places.


def test_the_readme_is_short_and_shows_the_prompt_at_its_top() -> None:
    text = text_of("README.md")
    assert len(text.splitlines()) <= 250
    assert "tests/pictures/prompt-light.png" in text.partition("\n## ")[0]


def test_the_readme_names_every_reason_for_an_end() -> None:
    reasons = re.findall(r'^\| `"([\w ]+)"` \|', text_of("README.md"), re.MULTILINE)
    texts = next(iter(TEXTS.values()))
    assert sorted(reasons) == sorted(name[3:] for name in texts if name.startswith("by "))


def test_the_guide_names_every_text_of_the_client() -> None:
    table = "\n".join(re.findall(r"^\| `.*$", text_of("examples/pages/README.md"), re.MULTILINE))
    for name in next(iter(TEXTS.values())):
        assert f"`{name}`" in table
