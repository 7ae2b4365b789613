"""Other workers of the same server, whose sessions in memory this one does not know.

(A name that goes with its process is what the system alone can give: a lock file stays behind a
worker that is killed, and servers do not tell how many workers they start.)
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import suppress
from errno import EADDRINUSE
from hashlib import sha256
from multiprocessing import parent_process

from quart import Quart

_log = logging.getLogger("quart_idle")

# Names that this process has claimed.
_claimed: set[str] = set()


def claim(name: str) -> bool:
    """Whether no other process of this host has the name; it is this one's until it ends.

    Only Linux has such names (of sockets that are no files, and go with their process): elsewhere,
    and where a socket cannot be had, no other process is known to have it.
    """
    if name in _claimed or sys.platform != "linux":
        return True
    with suppress(OSError):
        mine = socket.socket(socket.AF_UNIX)
        try:
            mine.bind(b"\0quart-idle-" + sha256(os.fsencode(name)).hexdigest().encode())
        except OSError as error:
            mine.close()
            return error.errno != EADDRINUSE
        mine.detach()  # open from now on
        _claimed.add(name)
    return True


def warn_of_siblings(app: Quart) -> None:
    """Say so if another worker of the same server has sessions of the same application.

    A server's workers are processes that one parent started by `multiprocessing`. Servers that were
    started one by one, to serve apart, have no such parent, or not the same one.
    """
    server = parent_process()
    if server is not None and not claim(f"{server.pid} {app.import_name} {app.root_path}"):
        _log.error(
            "this is another worker (process %d) of this application, and it keeps sessions of its "
            "own in memory; users will seem to be signed out at random: set QUART_IDLE_STORE to "
            "redis://…, or run one worker",
            os.getpid(),
        )
