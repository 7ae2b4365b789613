"""An application that shows who of a team is here, and when the others were last.

Run ``hypercorn examples.signing_in.with_presence:app``.
"""

from datetime import datetime
from typing import Any

from quart import Quart, render_template_string, session

from quart_idle import QuartIdle
from quart_idle.signals import user_offline

app = Quart(__name__)
idle = QuartIdle(app)

PAGE = """<!doctype html><title>Hello</title>{{ quart_idle() }}
<h1>Hello Ada</h1>
"""

# A column of your table of users.
last_seen: dict[str, datetime] = {}


@user_offline.connect_via(app)
async def note_last_seen(_: Quart, user_id: str, at: datetime, **_more: Any) -> None:
    last_seen[user_id] = at


@app.get("/team")
async def team() -> dict[str, str]:
    members = ["ada", "bob", "eve"]
    here = await idle.presence.online(members)
    return {name: "online" if name in here else str(last_seen.get(name)) for name in members}


@app.get("/")
async def home() -> str:
    session.user_id = "ada"
    return await render_template_string(PAGE)
