"""What differs between releases of Quart, in one place: 0.21 to 0.23.

Nothing else asks which release this is.
"""

from __future__ import annotations

from inspect import signature
from typing import Any, Final

import quart
from quart import Quart
from quart.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

# Since 0.23 application and request have one context, which the steps of a request are given;
# before, each found its own.
_TAKES_CONTEXT: Final = "ctx" in signature(Quart.handle_user_exception).parameters


def current(proxy: Any) -> Any:
    """What a proxy of Quart's, as ``quart.session``, stands for in the request under way.

    (Werkzeug's way to ask for it is typed by Quart since 0.23 only.)
    """
    return proxy._get_current_object()


async def handle_error(app: Quart, error: Exception) -> HTTPException | ResponseReturnValue:
    """What the application's own handlers make of an error in the request under way.

    Raises:
        Exception: the error, if there is no handler for it.
    """
    handle: Any = app.handle_user_exception
    arguments = (current(quart.globals.app_ctx), error) if _TAKES_CONTEXT else (error,)
    answer: HTTPException | ResponseReturnValue = await handle(*arguments)
    return answer
