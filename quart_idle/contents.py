"""What a session holds, and what was changed in it since it was read.

Values by key, and beside them the user and the session's own idle timeout. Values are decoded when
they are looked at; one that can change in place is encoded again to see whether it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from .codec import IMMUTABLE, decode, encode, plain_key
from .stores.base import NOW, PERMANENT, Attributes, Change, Device, Fields, Record
from .users import user_in

# Quart's key for flashed messages: the page that shows them takes them out.
_FLASHES: Final = "_flashes"


class Contents:
    """What one session holds.

    Args:
        user_key: the key whose value names the user, if there is one.

    Attributes:
        stored: the fields as the store has them; nobody changes this mapping, a new one takes its
            place.
        epoch: goes up with whatever makes it so that earlier changes are not to be kept: what was
            taken to be written before that is not taken in as written.
        user_id: whose session it is now.
        timeout: its own idle timeout in seconds; None: the application's.
        authenticated: when whose session it is stored as last proved who they are, by the store's
            clock; None: nobody, or all was cleared.
        marked: whether the application said that it was modified.
    """

    # What every request would set first.
    stored: Mapping[str, bytes] = Fields()
    epoch = 0
    user_id: str | None = None
    timeout: float | None = None
    authenticated: float | None = None
    marked = False
    _stored_user_id: str | None = None
    # Whether the user is one whom a key names that named nobody when it was set.
    _user_unstored = False
    _proves = False
    _timeout_set = False
    # Whether a value that can change in place was given out.
    _gave_out_mutable = False

    def __init__(self, user_key: str | None) -> None:
        self._user_key = user_key
        # What was looked at or set; and the keys that were set or deleted (None), encoded.
        self._values: dict[str, Any] = {}
        self._set: dict[str, bytes | None] = Fields()

    # Values by key.

    def __getitem__(self, key: str) -> Any:
        values = self._values
        if key not in values:
            if key in self._set:
                raise KeyError(key)
            value = values[key] = decode(self.stored[key])
            if type(value) not in IMMUTABLE:
                self._gave_out_mutable = True
            return value
        return values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if type(key) is not str:
            key = _plain(key)
        try:
            raw = encode(key, value)
        except TypeError:
            del value  # a traceback may show the variables
            raise
        if key == self._user_key:
            self.user_id = user_in(key, raw)
        self._set[key] = raw
        self._values[key] = value
        if type(value) not in IMMUTABLE:
            self._gave_out_mutable = True

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        if type(key) is not str:
            key = _plain(key)
        if key == self._user_key:
            self.user_id = None
        self._values.pop(key, None)
        self._set[key] = None

    def __contains__(self, key: object) -> bool:
        return key in self._values or (key in self.stored and key not in self._set)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def keys(self) -> list[str]:
        """The keys, those that are stored first."""
        stored, values, changed = self.stored, self._values, self._set
        kept = [key for key in stored if key in values or key not in changed]
        return kept + [key for key in values if key not in stored]

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser."""
        return PERMANENT in self and bool(self[PERMANENT])

    def set_timeout(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._timeout_set = True

    # What is in it.

    def holds_data(self) -> bool:
        """Whether there is anything to have a session for."""
        return self.user_id is not None or any(key != PERMANENT for key in self.keys())

    def is_worth_watching(self) -> bool:
        """Whether a page has a session to lose: the messages that it shows are none."""
        return self.user_id is not None or any(
            key not in (PERMANENT, _FLASHES) for key in self.keys()
        )

    def prove(self) -> None:
        """The user has just proved who they are."""
        self._proves = True

    def is_not_proved(self, epoch: int) -> None:
        """The proof that was to be written at this `epoch` is not to be."""
        if self.epoch == epoch:
            self._proves = False

    @property
    def stored_proof(self) -> float | None:
        """When its user proved who they are; None: now, as is to be written: by a sign-in, too."""
        return None if self._proves or self.is_another_user_s() else self.authenticated

    def has_lost_its_user(self) -> bool:
        return self._stored_user_id is not None and self.user_id is None

    def is_another_user_s(self) -> bool:
        """Whether it is stored as a session of somebody else, or of nobody."""
        return self.user_id != self._stored_user_id

    # What has become of it.

    def read(self, record: Record) -> None:
        """Take on what is stored. There is nothing in it so far."""
        data, user_id = record.data, record.user_id
        self.stored = data if type(data) is Fields else Fields(data)
        self.user_id = self._stored_user_id = user_id
        if record.sign_in is not None:
            self.authenticated = record.sign_in.authenticated
        if user_id is None and (key := self._user_key) in data:
            # From before the key was configured: the token that the client has may stay.
            with suppress(TypeError):
                self.user_id = self._stored_user_id = user_in(key or "", data[key or ""])
                self._user_unstored = self.user_id is not None
                self.authenticated = record.clocks.began  # or before that
        self.timeout = record.clocks.timeout

    def clear(self) -> None:
        """Forget everything, the user included. What is stored is still to be deleted."""
        self.epoch += 1
        self.stored = Fields()
        self._values = {}
        self._set = Fields()
        self.user_id = self.timeout = self.authenticated = None
        self._proves = False

    def drop(self) -> None:
        """Have nothing stored from now on, and nothing to write."""
        self.clear()
        self._stored_user_id = None
        self._timeout_set = self._user_unstored = self.marked = False

    def forget_stored(self) -> None:
        """Have nothing stored from now on; what was set goes into another session."""
        self.epoch += 1
        self.stored = Fields()
        self._set = Fields((key, raw) for key, raw in self._set.items() if raw is not None)
        self._values = {key: value for key, value in self._values.items() if key in self._set}
        self._stored_user_id = self.authenticated = None
        self._user_unstored = self._proves = self.marked = False

    def is_written(self, change: Change, epoch: int, now: float) -> None:
        """This is in the store; what was changed since it was taken is not.

        Args:
            change: what was written.
            epoch: `epoch` when it was taken.
            now: the store's clock, in seconds.
        """
        if self.epoch != epoch:
            return
        attributes = change.attributes
        if "user_id" in attributes:
            self._stored_user_id = attributes["user_id"]
            self._user_unstored = False
        if "user_id" in attributes or "authenticated" in attributes:
            proof = min(now, attributes.get("authenticated", NOW))
            self.authenticated = None if self._stored_user_id is None else proof
            self._proves = False
        if "timeout" in attributes and attributes["timeout"] == self.timeout:
            self._timeout_set = False
        self.marked = False
        written = Fields(self.stored)
        for key, raw in change.fields.items():
            if raw is None:
                written.pop(key, None)
            else:
                written[key] = raw
            if key in self._set and self._set[key] == raw:
                del self._set[key]
        self.stored = written

    # What there is to write.

    def may_have_changed(self) -> bool:
        """Whether there may be something to write: cheap, since most requests only read."""
        return self._gave_out_mutable or bool(self._set) or self._attributes_changed()

    def has_changed(self) -> bool:
        return self._attributes_changed() or bool(self._fields())

    def _attributes_changed(self) -> bool:
        return (
            self._timeout_set
            or self._proves
            or self._user_unstored
            or self.user_id != self._stored_user_id
        )

    def _fields(self) -> dict[str, bytes | None]:
        """The fields to write, encoded; None: to delete.

        Raises:
            TypeError: a value was changed into one that a session cannot hold.
        """
        changes = Fields(
            (key, raw) for key, raw in self._set.items() if raw is not None or key in self.stored
        )
        for key in self._values:
            if type(self._values[key]) not in IMMUTABLE:
                raw = encode(key, self._values[key])
                if key in self._set or raw != self.stored[key]:
                    changes[key] = self._set[key] = raw
        return changes

    def change(self, *, clear: bool, device: Callable[[], Device] = Device) -> Change:
        """What there is to write.

        Args:
            clear: whether what is stored is to go.
            device: where somebody is who signs in.

        Raises:
            TypeError: a value was changed into one that a session cannot hold.
        """
        attributes: Attributes = {}
        if clear or self._user_unstored or self.user_id != self._stored_user_id:
            attributes["user_id"] = self.user_id
            if self.user_id is not None and (proof := self.stored_proof) is not None:
                attributes["authenticated"] = proof
            elif self.user_id is not None:
                attributes["device"] = device()
        elif self._proves:
            attributes["authenticated"] = NOW
        if clear or self._timeout_set:
            attributes["timeout"] = self.timeout
        return Change(self._fields(), attributes, clear)

    def size(self, fields: Mapping[str, bytes | None]) -> int:
        """What the data takes after these fields are written, in bytes."""
        data = {**self.stored, **fields}
        size = sum(len(raw) for raw in data.values() if raw is not None)
        return size + len("".join((self.user_id or "", *data)).encode("utf-8", "surrogatepass"))

    def changes_permanent(self, fields: Mapping[str, bytes | None]) -> bool:
        """Whether the cookie is to last longer, or less, once these fields are written."""
        if PERMANENT not in fields:
            return False
        raws = self.stored.get(PERMANENT), fields[PERMANENT]
        before, after = (raw is not None and bool(decode(raw)) for raw in raws)
        return before is not after


def _plain(key: object) -> str:
    plain = plain_key(key)
    if plain is None:
        raise TypeError(f"session[{key!r}]: the keys of a session are str")
    return plain
