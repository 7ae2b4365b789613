"""Where the decorator may stand, and how a bound view may be called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from quart import Blueprint, Quart

from quart_idle import ConfigError, QuartIdle


async def view() -> str:
    return ""


@pytest.mark.parametrize("route", [Quart.websocket, Quart.get, Blueprint.get])
async def test_a_view_that_is_bound_above_its_route_is_an_error_at_the_start(
    route: Callable[..., Any],
) -> None:
    app = Quart("tests")
    idle = QuartIdle(app)
    place: Any = Blueprint("some", "tests") if route is Blueprint.get else app

    async def own() -> str:
        return ""

    idle.bound(route(place, "/own")(own))
    if place is not app:
        app.register_blueprint(place)
    with pytest.raises(ConfigError, match=r"above the decorator that routes .*own.*; put it below"):
        await app.startup()


@pytest.mark.parametrize("activity", [True, False])
async def test_a_view_may_be_bound_below_its_route_and_another_decorator_and_free_by_another_route(
    activity: bool,
) -> None:
    app = Quart("tests")
    idle = QuartIdle(app)

    def decorated(view: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
        async def call() -> str:
            return await view()

        call.__wrapped__ = view  # type: ignore[attr-defined]
        return call

    app.add_url_rule("/bound", "bound", decorated(idle.bound(activity=activity)(view)))
    app.add_url_rule("/free", "free", view)
    async with app.test_app():
        pass


async def test_a_bound_stream_without_a_connection_is_an_error_that_says_so() -> None:
    app = Quart("tests")
    idle = QuartIdle(app)

    @idle.bound
    async def stream() -> Any:
        async def body() -> Any:
            yield b""

        return body()

    async with app.test_request_context("/stream"):
        with pytest.raises(RuntimeError, match="without a connection that could end"):
            await stream()
