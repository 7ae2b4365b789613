"""The browser client: the tag that puts it into a page, and how its modules are served.

They are served as they are written, but for comments, below their version, so that what a page has
is of one version and is kept for good. `quart-idle.js` without a version is for modules of the
application's own.
"""

from __future__ import annotations

import gzip
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256, sha384
from http import HTTPStatus
from pathlib import Path
from typing import Final

from markupsafe import Markup

_ENTRY: Final = "quart-idle.js"
# A script, and none of the modules: the page waits for it.
_BACK: Final = "back.js"

# Comments up to the end of a line, `// …`, and `/** … */` on lines of their own; and indentation.
# Lines that had nothing else are sent empty: a browser's tools show the numbers that lines have
# here.
_COMMENT: Final = re.compile(
    rb"(?:^[ \t]*|[ \t]+)//(?: .*)?$|^[ \t]*/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*$", re.MULTILINE
)
_INDENTATION: Final = re.compile(rb"^[ \t]+", re.MULTILINE)


def _served(source: bytes) -> bytes:
    code = _COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), source)
    return _INDENTATION.sub(b"", code)


_FILES: Final = {
    path.name: _served(path.read_bytes())
    for path in sorted((Path(__file__).parent / "static").glob("*.js"))
}
_VERSION: Final = sha256(repr(_FILES).encode()).hexdigest()[:12]
# A page's client asks for these where a form is marked, and when the page is warned or covered.
_LATER: Final = (
    "bar.js",
    "drafts.js",
    "embedded.js",
    "fields.js",
    "fresh.js",
    "kept.js",
    "popup.js",
    "signing.js",
    "title.js",
)
# The parts that every page needs at once, and would ask for one after another.
_PARTS: Final = tuple(name for name in _FILES if name not in (_BACK, _ENTRY, *_LATER))

# Of one's own modules: all at once, as the tag's links have it. They import it by another address
# than the tag's: the copy that a tag loads says that there is a tag.
_SHARED: Final = (
    "".join(f'import("./{_VERSION}/{name}").catch(() => {{}});\n' for name in _PARTS)
    + f'export * from "./{_VERSION}/{_ENTRY}?shared";\n'
)
# After a failure: below an address that is new to the page. Browsers remember failures.
_TRIES: Final = range(2, 9)

# What is served, plain and gzipped, by its route below the URL prefix.
_BODIES: Final = {
    route: (body, gzip.compress(body, 9, mtime=0))
    for route, body in (
        (f"/{_ENTRY}", _SHARED.encode()),
        *(
            (f"/{_ENTRY}?{number}", f'export * from "./{_VERSION}-{number}/{_ENTRY}";\n'.encode())
            for number in _TRIES
        ),
        *((f"/{_VERSION}/{name}", body) for name, body in _FILES.items()),
    )
}
_ROUTE: Final = re.compile(rf"/{re.escape(_ENTRY)}|/([0-9a-f]{{12}})(-\d)?(/[a-z-]+\.js)")
# How often a browser is sent to ask again, for a file of another release: it follows 20 redirects.
_ASKS: Final = 10

#: The methods of the client's routes.
CLIENT_METHODS: Final = ("GET", "HEAD")


def tag(prefix: str, nonce: str | None, integrity: bool, data: Mapping[str, str | None]) -> Markup:
    """What puts the client into a page.

    Args:
        prefix: the path of the extension's routes, with the application's root path.
        nonce: for the page's content security policy.
        integrity: whether each file is to be the very one that is here (Subresource Integrity,
            section 3.1). Browsers check parts by the links alone, so that all of them have one.
        data: its attributes ``data-…``, by their names; without those that are None or empty.
    """
    start = f"{prefix}/{_VERSION}/"

    def common(name: str) -> dict[str, str | None]:
        digest = b64encode(sha384(_FILES[name]).digest()).decode()
        return {"nonce": nonce, "integrity": f"sha384-{digest}" if integrity else None}

    def lines() -> Iterator[Markup]:
        # Before the script: what it imports is checked only if its link was there first.
        for name in (*_PARTS, *_LATER) if integrity else _PARTS:
            link = {"rel": "modulepreload", "href": start + name, **common(name)}
            yield Markup("<link{}>").format(_attributes(link))
        script = {"type": "module", "src": start + _ENTRY, **common(_ENTRY)}
        named = {f"data-{name}": value for name, value in data.items()}
        # `async`: it runs while the page is still coming, which may wait for others' scripts.
        yield Markup("<script{} async></script>").format(_attributes(script | named))
        # Last: it may wait for style sheets that come before it, and what comes after it waits.
        back = {"src": start + _BACK, **common(_BACK)}
        yield Markup("<script{}></script>").format(_attributes(back))

    return Markup("").join(lines())


def _attributes(attributes: Mapping[str, str | None]) -> Markup:
    pairs = (Markup(' {}="{}"').format(*pair) for pair in attributes.items() if pair[1])
    return Markup("").join(pairs)


def is_client(route: str) -> bool:
    """Whether a route below the URL prefix is the client's, of this version or another."""
    return _ROUTE.fullmatch(route) is not None


def serve(route: str, query: str, accepted: str | None) -> tuple[HTTPStatus, bytes, dict[str, str]]:
    """The answer to a request for one of the client's files: status, body and headers.

    Args:
        route: below the URL prefix.
        query: the request's.
        accepted: the request's ``Accept-Encoding``.
    """
    version, _, name = found.groups() if (found := _ROUTE.fullmatch(route)) else (None, None, None)
    if version is None:
        key = f"/{_ENTRY}?{query}" if f"/{_ENTRY}?{query}" in _BODIES else f"/{_ENTRY}"
    else:
        key = f"/{version}{name}"
    if key not in _BODIES:
        return _serve_other(version, str(name), query)
    headers = {
        "content_type": "text/javascript; charset=utf-8",
        "cache_control": "public, max-age=31536000, immutable" if version else "no-cache",
        "x_content_type_options": "nosniff",
        "vary": "Accept-Encoding",
    }
    plain, gzipped = _BODIES[key]
    if takes_gzip(accepted):
        return HTTPStatus.OK, gzipped, {**headers, "content_encoding": "gzip"}
    return HTTPStatus.OK, plain, headers


def _serve_other(
    version: str | None, name: str, query: str
) -> tuple[HTTPStatus, bytes, dict[str, str]]:
    """The answer to a page of another release.

    While both releases have workers, another request may reach one that has the file. Parts of the
    two are never mixed: at last there is this release's whole, by its entry. What the page waits
    for is no part, and there at once.
    """
    headers = {"cache_control": "no-store"}
    asked = int(query[6:]) if re.fullmatch(r"again=\d{1,2}", query) else 0
    if version != _VERSION and name != f"/{_BACK}" and asked < _ASKS:
        # By another connection, where connections are what is balanced.
        headers |= {"location": f".{name}?again={asked + 1}", "connection": "close"}
    elif name in (f"/{_ENTRY}", f"/{_BACK}"):
        headers |= {"location": f"../{_VERSION}{name}"}
    else:
        return HTTPStatus.NOT_FOUND, b"", headers
    return HTTPStatus.TEMPORARY_REDIRECT, b"", headers


def takes_gzip(accepted: str | None) -> bool:
    """Whether a request's ``Accept-Encoding`` allows gzip (RFC 9110, section 12.5.3)."""
    weights = {}
    for item in (accepted or "").split(","):
        coding, *parameters = item.lower().replace(" ", "").split(";")
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            weights[coding] = float(weight)
        except ValueError:
            weights[coding] = 0.0
    gzipped = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzipped > 0.0 and gzipped >= weights.get("identity", 0.0)
