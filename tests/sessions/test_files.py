"""What an application finds of its static files' views, when the extension has been at them."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from quart import Blueprint, request_started

from tests.helpers.handlers import look, session
from tests.helpers.site import MakeSite


# Quart-Schema, for one, makes its description of the application by them.
async def test_views_keep_their_names_docs_and_signatures(site: MakeSite, tmp_path: Any) -> None:
    here = site()
    here.app.register_blueprint(Blueprint("files", "tests", static_folder=tmp_path))

    def facts() -> dict[str, Any]:
        return {
            endpoint: (
                view.__name__,
                view.__qualname__,
                view.__module__,
                view.__doc__,
                inspect.signature(view),
                inspect.iscoroutinefunction(view),
            )
            for endpoint, view in here.app.view_functions.items()
        }

    before = facts()
    await (await here.signed_in()).visit(path="/static/none.css")
    assert facts() == before
    assert {"static", "files.static"} <= set(before)


async def test_a_task_that_changes_the_session_is_not_undone_by_the_error_page_of_a_file(
    site: MakeSite,
) -> None:
    here = site()
    browser = await here.signed_in(a=1, b=1)
    gate = here.store.hold("load", after=True)
    tasks = []

    async def change() -> None:
        await gate.reached.wait()  # the page has asked for the session, as it was
        await session.reload()
        del session["a"]
        await session.save()

    async def begin(_: Any, **__: Any) -> None:
        tasks.append(asyncio.get_running_loop().create_task(change()))

    @here.app.errorhandler(404)
    async def missing(_: Any) -> Any:
        await asyncio.wait(tasks)
        return look(session), 404

    with request_started.connected_to(begin, here.app):
        visit = browser.start(path="/static/none.css")
        await gate.reached.wait()
        for _ in range(20):  # the task goes as far as it can
            await asyncio.sleep(0)
        gate.open()
        answer = await visit
    assert (answer.status, await answer.response.get_json()) == (404, {"b": 1})
    assert (await browser.visit(look)).value == {"b": 1}
