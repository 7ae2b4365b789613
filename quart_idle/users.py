"""Users, as the package knows them: whom a value of the session names; the tag of a page's user."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from .codec import decode


def user_in(key: str, raw: bytes) -> str | None:
    """The user whom an encoded value of a session names; None: nobody.

    Args:
        key: the value's, which ``QUART_IDLE_USER_KEY`` says is the user's.
        raw: the value.

    Raises:
        TypeError: it is no value to tell users by.
    """
    value = decode(raw)
    if value is None or value == "":
        return None
    if type(value) is int or isinstance(value, str | UUID):
        return str(value)
    raise TypeError(
        f"session[{key!r}] says who the user is (QUART_IDLE_USER_KEY), and is of type "
        f"{type(value).__name__}; allowed: str, int, UUID, None"
    )


class UserTags:
    """What a page is told of whose it is, to tell it by from another user's.

    It is in addresses, and so in logs: a hash of the user's id, keyed by the application's secret,
    lest ids be guessed by it. Without a secret whoever guesses an id can tell that it is this one.

    Args:
        secrets: the application's, the present one first; a page may have its tag by a former one.
    """

    def __init__(self, secrets: Sequence[str | bytes]) -> None:
        self._keys = [
            secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
            for secret in secrets
        ] or [b""]

    def of(self, user_id: str) -> str:
        """The tag of a user."""
        return self._tag(self._keys[0], user_id)

    def fits(self, tag: str, user_id: str) -> bool:
        """Whether a page's tag is this user's."""
        if any(tag == self._tag(key, user_id) for key in self._keys):
            return True
        # Pages that are open while workers are replaced may have it from the version before, which
        # had no key for it.
        before = sha256(f"quart-idle {user_id}".encode("utf-8", "surrogatepass"))
        return tag == before.hexdigest()[:16]

    @staticmethod
    def _tag(key: bytes, user_id: str) -> str:
        message = f"quart-idle user {user_id}".encode("utf-8", "surrogatepass")
        return hmac.digest(key, message, "sha256").hex()[:16]
