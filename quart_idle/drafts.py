"""Drafts: what was typed, sealed in such a way that a store can neither read it nor mix it up.

From each of the application's secrets two keys are derived (HKDF, RFC 5869). One names boxes and
drafts, by HMAC: a store learns no user, page or form. The other gives each user a key of their own,
so that no number of drafts is too many for random nonces, and that seals (AES-256-GCM) page, form
and fields, with the names of box and draft as associated data: moved to another user's box, or to
another form, a draft does not open.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Sequence
from secrets import token_bytes
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .stores.base import DraftStore

# What sets these keys apart from whatever else is derived from a secret. To be changed with what
# is sealed, and how.
_INFO: Final = b"quart-idle drafts 1"
_KEY: Final = 32
_NONCE: Final = 12

_decode = json.JSONDecoder().decode

_log = logging.getLogger("quart_idle")


class Draft(NamedTuple):
    """What was typed into a form."""

    page: str
    form: str
    #: Names and values.
    fields: Sequence[Sequence[str]]

    def __repr__(self) -> str:
        return f"<Draft of {len(self.fields)} fields>"


def _packed(value: object) -> bytes:
    # A page's script can send half a character.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


class _Seal:
    """What one of the application's secrets names and seals."""

    def __init__(self, secret: str | bytes) -> None:
        raw = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
        keys = HKDF(SHA256(), 2 * _KEY, None, _INFO).derive(raw)
        self._naming, self._sealing = keys[:_KEY], keys[_KEY:]

    def name(self, *what: str) -> str:
        return hmac.digest(self._naming, _packed(what), "sha256").hex()

    def _cipher(self, box: str) -> AESGCM:
        return AESGCM(hmac.digest(self._sealing, box.encode(), "sha256"))

    def seal(self, box: str, name: str, draft: Draft) -> bytes:
        nonce = token_bytes(_NONCE)
        return nonce + self._cipher(box).encrypt(nonce, _packed(draft), (box + name).encode())

    def open(self, box: str, name: str, sealed: bytes) -> Draft | None:
        """What was sealed; None: not by this, not here, or not so."""
        nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
        try:
            packed = self._cipher(box).decrypt(nonce, rest, (box + name).encode())
        except (InvalidTag, ValueError):
            return None
        return Draft(*_decode(packed.decode("utf-8", "surrogatepass")))


class Drafts:
    """The drafts of all users.

    Args:
        store: where they are.
        secrets: the application's, the present one first; what others sealed is read still.
    """

    def __init__(self, store: DraftStore, secrets: Sequence[str | bytes]) -> None:
        self._store = store
        self._seals = [_Seal(secret) for secret in secrets]

    async def keep(
        self, user_id: str, page: str, form: str, fields: Sequence[Sequence[str]]
    ) -> None:
        """Keep what was typed into a form, in place of what was before."""
        seal, *former = self._seals
        box, name = seal.name(user_id), seal.name(user_id, page, form)
        sealed = seal.seal(box, name, Draft(page, form, fields))
        await self._store.keep_draft(box, name, sealed)
        await self._drop(former, user_id, page, form)

    async def of(self, user_id: str, page: str | None = None) -> list[tuple[Draft, float]]:
        """A user's drafts, of a page or of all, each with its age in seconds; the newest first."""
        found = []
        for seal in self._seals:
            box = seal.name(user_id)
            for name, (sealed, age) in (await self._store.drafts(box)).items():
                draft = seal.open(box, name, sealed)
                if draft is None:
                    _log.debug("a draft in the store does not open")
                elif page in (None, draft.page):
                    found.append((draft, age))
        newest: dict[tuple[str, str], tuple[Draft, float]] = {}
        for draft, age in sorted(found, key=lambda item: item[1]):
            # While a secret is being replaced, workers can keep the same form under either.
            newest.setdefault((draft.page, draft.form), (draft, age))
        return list(newest.values())

    async def drop(self, user_id: str, page: str, form: str) -> None:
        """Forget what was typed into a form."""
        await self._drop(self._seals, user_id, page, form)

    async def _drop(self, seals: Sequence[_Seal], user_id: str, page: str, form: str) -> None:
        for seal in seals:
            box, name = seal.name(user_id), seal.name(user_id, page, form)
            await self._store.drop_draft(box, name)
