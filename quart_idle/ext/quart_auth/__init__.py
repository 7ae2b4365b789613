"""quart-auth's users in the session: one cookie, one deadline."""

try:
    import quart_auth  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "quart_auth":
        raise
    text = "quart-auth is missing: pip install 'quart-idle[quart-auth]'"
    raise ModuleNotFoundError(text, name=error.name) from None

from .idle_auth import IdleAuth

__all__ = ["IdleAuth"]
