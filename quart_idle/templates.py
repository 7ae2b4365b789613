"""What templates get: ``{{ quart_idle() }}``, and ``{{ session.name }}`` with keys first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import quart
from markupsafe import Markup
from quart import current_app, has_request_context, request
from quart.sessions import SecureCookieSession
from werkzeug.local import LocalProxy

from .checks import check_users, takes_post
from .client import tag
from .config import Settings
from .quarts import current
from .reasons import REASONS, is_text_name, text_name
from .request_session import SessionBackend
from .session import Session

if TYPE_CHECKING:
    from jinja2 import Environment

#: What the client says; the last are what it says of an end, for each reason.
TEXTS: Final = (
    *("title", "warning", "final", "stay", "wait", "dismiss", "signOut", "trouble", "checking"),
    *("ended", "signIn", "reload", "draft", "restore", "restored"),
    *("discard", "later", "discarded", "undo", "kept", "other", "confirm", "confirmWhy", "cancel"),
    *map(text_name, REASONS),
)

# What Quart's own session has means in templates what it means there: `session.items()` lists the
# keys, also where one of them is "items".
_QUARTS: Final = frozenset(dir(SecureCookieSession))


def add_to_templates(
    environment: Environment,
    settings: Settings,
    backend: SessionBackend,
    wants_proof: Callable[[], bool],
) -> None:
    """Give an application's templates what they get.

    Args:
        environment: the application's.
        settings: the application's settings.
        backend: what knows whether the application has a notion of users.
        wants_proof: whether it has views that want users to have proved lately who they are.
    """
    environment.globals["quart_idle"] = partial(_client, settings, backend, wants_proof)
    _put_keys_first(environment)


def _client(
    settings: Settings,
    backend: SessionBackend,
    wants_proof: Callable[[], bool],
    nonce: str | None = None,
    texts: Mapping[str, str] | None = None,
    integrity: bool = False,
) -> Markup:
    """What ``{{ quart_idle() }}`` is: the client, or nothing in a page without a live session.

    Where the application has a notion of users, a session without one is nobody's to warn.

    Args:
        settings: the application's settings.
        backend: what knows whether it has.
        wants_proof: whether it has views that want users to have proved lately who they are.
        nonce: for the page's content security policy.
        texts: what the client says, in the page's language; what is left out is said in English.
        integrity: whether the browser is to run this very client only, as far as browsers check
            modules.

    Raises:
        ValueError: a text has a name that there is not.
    """
    unknown = [name for name in texts or () if name not in TEXTS and not is_text_name(name)]
    if unknown:
        raise ValueError(f"quart_idle(texts=…) has {unknown[0]!r}; there are {', '.join(TEXTS)}")
    session = current(quart.session) if has_request_context() else None
    if not isinstance(session, Session) or not session._is_live():
        return Markup("")
    if session.user_id is None:
        if backend.knows_users:
            return Markup("")
        check_users(settings)
    data = {
        "user": None if session.user_id is None else settings.user_tags.of(session.user_id),
        "drafts": "1" if settings.drafts and session.user_id else None,
        "fresh": "1" if wants_proof() and session.user_id else None,
        "texts": json.dumps({name: str(text) for name, text in texts.items()}) if texts else None,
        "expired-url": settings.expired_url,
        "sign-out-url": settings.sign_out_url,
        "sign-out-method": _sign_out_method(settings.sign_out_url),
        "sign-in-url": settings.sign_in_url,
        "site-name": settings.site_name,
    }
    return tag(f"{request.root_path}{settings.url_prefix}", nonce, integrity, data)


def _sign_out_method(url: str | None) -> str | None:
    """How the prompt signs out: "post" where a view of the application's takes it, else by GET.

    What may be another server's, or another application's beside this one, is left as it is.
    """
    start = request.root_path + "/"
    if not url or urlsplit(url).netloc or not url.startswith(start):
        return None
    urls = current(current_app).create_url_adapter(current(request))
    path = urlsplit(url).path[len(start) - 1 :]
    return "post" if urls is not None and takes_post(urls, path) else None


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


def _put_keys_first(environment: Environment) -> None:
    """Have templates look for a session's key before its attribute.

    The names of a session's attributes, as ``user_id``, are names that applications give to keys.
    Jinja asks its environment what ``{{ thing.name }}`` is. This one's class changes, and not the
    one that the application makes it of: there may be one already, and an overlay is of its class.
    """
    kind = type(environment)
    names = {name: getattr(kind, name) for name in ("__module__", "__qualname__", "__doc__")}
    environment.__class__ = type(kind.__name__, (_KeysFirst, kind), names)
