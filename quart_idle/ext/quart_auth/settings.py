"""Which of quart-auth's settings mean something here, and what an error says of the rest."""

from __future__ import annotations

from typing import Final

from quart import Quart
from quart_auth import QuartAuth

from ...exceptions import ConfigError

#: Where quart-auth keeps an application's extensions; its settings' names begin with it.
EXTENSIONS: Final = "QUART_AUTH"

#: What is of a cookie or token of quart-auth's own, and what there is in its place.
OWN_SETTINGS: Final = {
    "cookie_domain": "use SESSION_COOKIE_DOMAIN",
    "cookie_http_only": "use SESSION_COOKIE_HTTPONLY",
    "cookie_name": "use SESSION_COOKIE_NAME",
    "cookie_path": "use SESSION_COOKIE_PATH",
    "cookie_samesite": "use SESSION_COOKIE_SAMESITE",
    "cookie_secure": "use SESSION_COOKIE_SECURE",
    "duration": "use QUART_IDLE_TIMEOUT and QUART_IDLE_LIFETIME",
    "salt": "nothing is signed: remove it",
    "serializer_class": "nothing is signed: remove it",
}

#: What an error advises to whoever wants tokens.
TOKENS: Final = "have tokens in a QuartAuth beside it, with mode='bearer' and singleton=False"


def check_setting(name: str, setting: str, value: object) -> None:
    """See whether a setting of quart-auth's means anything here.

    Raises:
        ConfigError: it does not.
    """
    if value is None or (name == "mode" and value == "cookie"):
        return
    if name == "mode":
        raise ConfigError(f"{setting}, and IdleAuth is of sessions only; {TOKENS}")
    if name in OWN_SETTINGS:
        raise ConfigError(
            f"{setting}, and IdleAuth has neither cookies nor tokens of its own; "
            f"{OWN_SETTINGS[name]} "
            "(a QuartAuth beside it can be given its own settings as keywords)"
        )


def check_alone(app: Quart, *more: QuartAuth) -> None:
    """See whether quart-auth's functions mean one extension.

    Raises:
        ConfigError: there are several that they could.
    """
    if sum(it.singleton for it in (*app.extensions.get(EXTENSIONS, ()), *more)) > 1:
        raise ConfigError(
            "quart-auth's functions and templates would mean several extensions: an IdleAuth and a "
            "QuartAuth; remove one, or give it singleton=False"
        )
