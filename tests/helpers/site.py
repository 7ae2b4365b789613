"""An application of the test's own in process, and its users' browsers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html import unescape
from inspect import isawaitable
from typing import Any, Unpack

from quart import Blueprint, Quart, Response, render_template_string, request, websocket
from werkzeug.datastructures import Headers

from quart_idle import MemoryStore, Options, QuartIdle
from tests.helpers.clock import Clock
from tests.helpers.handlers import Do, session, sign_in
from tests.helpers.tampered_store import Gate, Tampered

# Headers of a request by a page of the application's own.
OWN = {"Origin": "http://localhost"}
# A view whose requests are no activity.
PASSIVE = "/passive/above"
# What drafts need.
KEY = {"SECRET_KEY": "a secret of the tests' own"}


@dataclass
class Answer:
    """What came of a request: the response, and what the view's code returned."""

    response: Response
    value: Any

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> Headers:
        return self.response.headers

    @property
    def cookie(self) -> dict[str, str] | None:
        """The cookie that it sets: name, value and attributes, in lower case."""
        text = self.headers.get("Set-Cookie")
        if text is None:
            return None
        (name, value), *rest = (part.strip().split("=", 1) for part in text.split(";"))
        return {"name": name, "value": value} | {
            key.lower(): "".join(values) for key, *values in rest
        }


class Browser:
    """A user's browser. Each request carries the code that the view runs, with the session."""

    def __init__(self, app: Quart, token: str | None = None) -> None:
        self.app = app
        self.client = app.test_client()
        if token is not None:
            self.client.set_cookie("localhost", "session", token)

    @property
    def token(self) -> str | None:
        jar = self.client.cookie_jar or ()
        return next((item.value for item in jar if item.name == "session"), None)

    def copy(self) -> Browser:
        """Another request of the same browser, with the cookie that it has now."""
        return Browser(self.app, self.token)

    async def visit(self, do: Do | None = None, path: str = "/", **options: Any) -> Answer:
        values: list[Any] = []
        scope = {"do": do, "values": values}
        response = await self.client.open(path, scope_base=scope, **options)
        return Answer(response, values[0] if values else None)

    async def leave(self, do: Do, gate: Gate) -> None:
        """A request whose client is gone when the gate is reached."""
        async with self.client.request("/", scope_base={"do": do}) as connection:
            await connection.send_complete()
            await gate.reached.wait()
            await connection.disconnect()

    def start(self, do: Do | None = None, path: str = "/", **options: Any) -> asyncio.Task[Answer]:
        return asyncio.get_running_loop().create_task(self.visit(do, path, **options))


@dataclass
class Site:
    """An application of the test's own; its store can be tampered with."""

    app: Quart
    idle: QuartIdle
    store: Tampered
    clock: Clock

    def browser(self, token: str | None = None) -> Browser:
        return Browser(self.app, token)

    async def signed_in(self, user: str = "ada", **data: Any) -> Browser:
        """A browser whose session exists."""
        browser = self.browser()
        await browser.visit(sign_in(user, **data))
        self.store.calls.clear()
        return browser


MakeSite = Callable[..., Site]


def make_site(
    clock: Clock, *, config: dict[str, Any] | None = None, **options: Unpack[Options]
) -> Site:
    """An application with views for `Browser.visit`: active, passive and a socket."""
    app = Quart("tests")
    app.config.update(config or {})
    given = options.get("store")  # another site's, to share it
    store = given if isinstance(given, Tampered) else Tampered(MemoryStore(clock))
    options["store"] = store
    options.setdefault("store_timeout", 30)
    idle = QuartIdle(app, **options)

    blueprint = Blueprint("below", "tests", url_prefix="/blueprint")
    app.route("/", methods=["GET", "POST"])(_do)
    app.get("/passive/above")(idle.passive(_view("above")))
    idle.passive(app.get("/passive/below")(_view("below")))
    blueprint.get("/passive")(idle.passive(_view("passive")))
    blueprint.get("/active")(_view("active"))
    app.register_blueprint(blueprint)
    app.websocket("/socket")(_socket)
    return Site(app, idle, store, clock)


async def _do() -> Any:
    scope: Any = (request or websocket).scope
    done = scope["do"](session) if scope.get("do") else None
    value = await done if isawaitable(done) else done
    scope.get("values", []).append(value)
    return value if isinstance(value, Response) else ""


async def _socket() -> None:
    await websocket.accept()
    await _do()


def _view(name: str) -> Callable[[], Awaitable[Any]]:
    async def view() -> Any:
        return await _do()

    view.__name__ = name
    return view


async def ask(browser: Browser, method: str, path: str, **options: Any) -> Response:
    """What is answered to a request for one of the routes."""
    return await browser.client.open(f"/_idle/{path}", method=method, **options)


async def tag(browser: Browser, arguments: str = "", **context: Any) -> dict[str, str]:
    """The attributes of the client's tag in a page."""
    text = (
        await browser.visit(
            lambda _: render_template_string(f"{{{{ quart_idle({arguments}) }}}}", **context)
        )
    ).value
    return {name: unescape(value) for name, value in re.findall(r'([\w-]+)="([^"]*)"', text)}
