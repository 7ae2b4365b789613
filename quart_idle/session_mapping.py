"""The session as the mapping that Quart's users know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from flask.sessions import SessionMixin

from .request_session import RequestSession
from .states import TO_WRITE
from .stores.base import PERMANENT


class SessionMapping(RequestSession, SessionMixin):
    """What a session has of a dict, and of Quart's own sessions."""

    def __getitem__(self, key: str) -> Any:
        self._touch()
        return self._contents[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._touch()
        try:
            self._contents[key] = value
        except TypeError:
            del value  # a traceback may show the variables
            raise

    def __delitem__(self, key: str) -> None:
        self._touch()
        del self._contents[key]

    def __contains__(self, key: object) -> bool:
        self._touch()
        return key in self._contents

    def __iter__(self) -> Iterator[str]:
        self._touch()
        return iter(self._contents)

    def __len__(self) -> int:
        self._touch()
        return len(self._contents)

    def copy(self) -> dict[str, Any]:
        """What the session holds, as a dict: what is set there is not set in the session."""
        return dict(self)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Self:
        self.update(other)
        return self

    def __repr__(self) -> str:
        # No values: logs are read.
        return f"<{type(self).__name__} {self._life.id or 'without an id'}>"

    def clear(self) -> None:
        """Forget everything, the user included.

        Nothing more ends the session; new data after it goes on under a new token. Where there was
        a user and is none after it, the session ends, and the new data goes into another one.
        """
        self._touch()
        self._contents.clear()
        self._life.clear()

    # What Quart users know.

    @property
    def accessed(self) -> bool:
        """Whether the application looked at the session: the response varies with the cookie.

        Setting it does nothing: Quart may set it whenever it hands the session out, to itself too,
        and every response would vary.
        """
        return self._accessed

    @accessed.setter
    def accessed(self, value: bool) -> None:
        pass

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether the request came without a live session."""
        self._touch()
        return self._new

    @property
    def modified(self) -> bool:
        """Whether there is anything to save. Setting it is allowed, and not needed."""
        self._touch()
        return (
            self._contents.marked
            or self._life.state in TO_WRITE
            or (self._contents.may_have_changed() and self._contents.has_changed())
        )

    @modified.setter
    def modified(self, value: bool) -> None:
        self._contents.marked = value

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser: it then lasts as long as the session can."""
        return bool(self.get(PERMANENT, False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        if self.permanent is not bool(value):  # often set at every request: no reason to write
            self[PERMANENT] = bool(value)
