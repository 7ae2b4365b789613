"""What happens to sessions and users, told: signals of blinker's, as Quart has its own.

Each is sent with the application as the sender, and by keyword with ``event_id`` and ``session`` (a
`SessionInfo`), or, where it is about a user, ``user_id`` and ``at``. Of several deliveries of one
event, ``event_id`` is the same. Receivers are async functions or plain ones, which run in a thread;
each has an application context, and ten seconds. Connect them before the first session is made.
(blinker knows them by weak references: a receiver is to be kept by somebody, as a function of a
module is.)
"""

from __future__ import annotations

from typing import Final

from blinker import NamedSignal, Namespace

_signals: Final = Namespace()

#: A session was made.
session_created: Final[NamedSignal] = _signals.signal("session-created")

#: A session became a user's, which gave it this id.
session_signed_in: Final[NamedSignal] = _signals.signal("session-signed-in")

#: A session is over, for ``reason``. ``by``: the id of the session whose request ended it, which is
#: its own where it was signed out; None: a clock did, or code outside of a request. Told at least
#: once, on one worker, and again until every receiver has returned.
session_ended: Final[NamedSignal] = _signals.signal("session-ended")

#: A page of a session is open: its socket is.
page_opened: Final[NamedSignal] = _signals.signal("page-opened")

#: Such a page is gone. ``reason``: why it was sent away; None: it left by itself.
page_closed: Final[NamedSignal] = _signals.signal("page-closed")

#: A user came online, ``at`` that moment (aware, by the store's clock): has a page open, on some
#: worker, and had none within 45 s before. Told on one worker, once.
user_online: Final[NamedSignal] = _signals.signal("user-online")

#: A user has had no page open for 45 s, on any worker: since ``at``. Told on one worker, once; and
#: not, if that is killed in this moment, or the store is away for half a minute just as it answers:
#: `idle.presence.online` has it.
user_offline: Final[NamedSignal] = _signals.signal("user-offline")
