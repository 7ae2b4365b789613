"""What the ASGI specification has no word for, and servers can do all the same.

Their insides are looked at through the ``send`` that they call applications with. They may change
with any release, so nothing is built on this: where something is not as it was, or a middleware has
put a ``send`` of its own in the way, a socket is compressed, or leaves later. Tests with real
servers tell.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

_log = logging.getLogger("quart_idle")


def _hypercorn(stream: Any) -> None:
    # `Handshake.accept` agrees to what the page asked for.
    if stream.handshake.extensions is not None:
        stream.handshake.extensions = None


def _sans_io(protocol: Any) -> None:
    # The answer is made before the application is called, and sent when it accepts. Both halves
    # or none: a page that was promised no compression must not get any.
    headers, extensions = protocol.response.headers, protocol.conn.extensions
    if extensions:
        extensions.clear()
        del headers["Sec-WebSocket-Extensions"]


def _websockets(protocol: Any) -> None:
    # The handshake has this list already, and has not come to it.
    protocol.available_extensions.clear()


def _wsproto(protocol: Any) -> None:
    protocol.conn.handshake._initiating_request.extensions.clear()


_DECLINE: Final[dict[str, Callable[[Any], None]]] = {
    "hypercorn.protocol.ws_stream": _hypercorn,
    "uvicorn.protocols.websockets.websockets_sansio_impl": _sans_io,
    "uvicorn.protocols.websockets.websockets_impl": _websockets,
    "uvicorn.protocols.websockets.wsproto_impl": _wsproto,
}


def decline_compression(send: object) -> None:
    """Have a socket that is not accepted yet go without permessage-deflate (RFC 7692).

    Every browser asks for it and servers agree. It makes nothing of frames of 60 bytes, and its
    buffers are several times as large as all the rest of a socket.
    """
    server = getattr(send, "__self__", None)
    decline = _DECLINE.get(type(server).__module__)
    if decline is not None:
        try:
            decline(server)
        except Exception as error:
            _log.debug("compression could not be declined: %r", error)


def stopping(send: object) -> Callable[[], bool] | None:
    """What tells whether the server has been told to stop, and waits for its connections.

    None where that cannot be seen. Hypercorn waits for ``graceful_timeout``, then cuts them, and
    tells the application last.
    """
    context = getattr(getattr(send, "__self__", None), "context", None)
    terminated = getattr(context, "terminated", None)
    if terminated is None:
        return None

    def is_stopping() -> bool:
        try:
            return terminated.is_set() is True
        except Exception:
            return False

    return is_stopping
