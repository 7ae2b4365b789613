"""In templates a session's key goes before its attribute: ``{{ session.user_id }}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quart.sessions import SecureCookieSession
from werkzeug.local import LocalProxy

from .session import Session

if TYPE_CHECKING:
    from jinja2 import Environment

# What Quart's own session has means in templates what it means there: `session.items()` lists the
# keys, also where one of them is "items".
_QUARTS: Final = frozenset(dir(SecureCookieSession))


class _KeysFirst:
    """What an environment's class inherits from before all else."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        is_session = type(obj) is Session or (
            # Templates that are imported without context have the proxy.
            isinstance(obj, LocalProxy) and isinstance(obj, Session)
        )
        if is_session and attribute not in _QUARTS and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)  # type: ignore[misc]


def put_keys_first(environment: Environment) -> None:
    """Have templates look for a session's key before its attribute.

    The names of a session's attributes, as ``user_id``, are names that applications give to keys.
    Jinja asks its environment what ``{{ thing.name }}`` is. This one's class changes, and not the
    one that the application makes it of: there may be one already, and an overlay is of its class.
    """
    kind = type(environment)
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    environment.__class__ = type(kind.__name__, (_KeysFirst, kind), names)
