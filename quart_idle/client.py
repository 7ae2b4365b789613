"""The browser client's file: where it is, what it hashes to, and how it is served."""

from __future__ import annotations

import gzip
from base64 import b64encode
from hashlib import sha256, sha384
from pathlib import Path
from typing import Final

_CLIENT: Final = (Path(__file__).parent / "static" / "quart-idle.js").read_bytes()
_GZIPPED: Final = gzip.compress(_CLIENT, 9, mtime=0)
_VERSION: Final = sha256(_CLIENT).hexdigest()[:12]

#: Where it is, below the URL prefix.
CLIENT: Final = f"/quart-idle.js?v={_VERSION}"

#: Its hash for the attribute ``integrity`` (Subresource Integrity, section 3.1).
INTEGRITY: Final = f"sha384-{b64encode(sha384(_CLIENT).digest()).decode()}"


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


def client(version: str | None, accepted: str | None) -> tuple[dict[str, str], bytes]:
    """The headers and the body of an answer that brings the client.

    Args:
        version: that was asked for.
        accepted: the request's ``Accept-Encoding``.
    """
    headers = {
        "content_type": "text/javascript; charset=utf-8",
        # A page of another version's worker gets this version, and does not keep it.
        "cache_control": "public, max-age=31536000, immutable"
        if version == _VERSION
        else "no-cache",
        "x_content_type_options": "nosniff",
        "vary": "Accept-Encoding",
    }
    if takes_gzip(accepted):
        return {**headers, "content_encoding": "gzip"}, _GZIPPED
    return headers, _CLIENT
