"""What an application finds of its static files' views, when the extension has been at them."""

from __future__ import annotations

import inspect
from typing import Any

from quart import Blueprint

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
