"""What a handler does with the session, as `Browser.visit` takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import quart

from quart_idle import Session

session = cast(Session, quart.session)


Do = Callable[[Session], Any]


def look(session: Session) -> dict[str, Any]:
    """What the session holds."""
    return dict(session)


def put(**data: Any) -> Do:
    """Set this."""
    return lambda session: session.update(data)


def sign_in(user: str | None = "ada", **data: Any) -> Do:
    """Sign a user in, without a change of anything else."""

    def do(session: Session) -> None:
        session.user_id = user
        session.update(data)

    return do


def end(reason: str = "signed out") -> Do:
    return lambda session: session.end(reason)


def regenerate(session: Session) -> None:
    session.regenerate()


def why(session: Session) -> str | None:
    """Why the session is over."""
    return session.ended


def regenerate_and_put(**data: Any) -> Do:
    def do(session: Session) -> None:
        session.regenerate()
        session.update(data)

    return do


def change_a_list(session: Session) -> None:
    session["cart"].append(1)


def start_anew(session: Session) -> None:
    session.clear()
    session["c"] = 3


def delete(session: Session) -> None:
    del session["a"]


# One of each kind that is no end.
WRITES = [look, put(a=2), sign_in("bob"), regenerate, change_a_list]
