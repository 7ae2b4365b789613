"""An application that keeps a journal of its users' sessions.

Run ``hypercorn examples.signing_in.with_signals:app``.
"""

from typing import Any

from quart import Quart, session

from quart_idle import QuartIdle, SessionInfo
from quart_idle.signals import session_ended, session_signed_in

app = Quart(__name__)
QuartIdle(app)

# A table of your database: its key is the event's id.
journal: dict[str, str] = {}


@session_signed_in.connect_via(app)
async def note_sign_in(_: Quart, session: SessionInfo, event_id: str, **_more: Any) -> None:
    journal[event_id] = f"{session.user_id} signed in with {session.user_agent}"


@session_ended.connect_via(app)
async def note_end(
    _: Quart, session: SessionInfo, reason: str, by: str | None, event_id: str, **_more: Any
) -> None:
    who = "itself" if by == session.id else by or "nobody"
    journal.setdefault(event_id, f"{session.user_id} was signed out: {reason}, by {who}")


@app.get("/")
async def home() -> list[str]:
    session.user_id = "ada"
    return list(journal.values())
