"""What ends with a session beside its pages: sockets and streams of the application's, and waits.

A bond is no page: it is not asked whether it is there, and holds no session open. So what a session
has left is known here by its deadlines, and its end by what the store tells all workers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Final, Protocol

from hypercorn.typing import ASGISendCallable

from .. import protocol
from ..config import Settings
from ..exceptions import StoreUnavailable
from ..policy import SignOfLife
from ..reasons import REGENERATED
from ..renewals import Renewals
from ..stores.asking import ASK_AGAIN, ask
from ..stores.base import Change, Changed, Ended, Live, Record, reason_of
from ..tasks import Tasks
from .open_session import Bond, OpenSession
from .stored import StoredSessions
from .wheel import Wheel

# What a message on a bound socket is, where it counts; and that a change of token writes nothing.
_INPUT: Final = SignOfLife(seen=0.0, active=0.0)
_NOTHING: Final = Change({}, {})


class Watching(Protocol):
    """Who is told of sessions."""

    tasks: Tasks

    def watch(self, id: str, send: ASGISendCallable | None = None) -> OpenSession: ...

    def unwatch(self, session: OpenSession) -> None: ...

    def tell(self, id: str, outcome: Live | Record | Ended | None) -> None: ...

    def note(self, session: OpenSession, sign: SignOfLife) -> None: ...

    def server_stops(self) -> bool: ...


class Bonds:
    """This worker's bonds, by their sessions.

    Args:
        settings: the application's settings, with the store.
        renewals: where signs of life go.
        stored: asks the store.
        watching: is told of sessions, and tells this.
    """

    def __init__(
        self, settings: Settings, renewals: Renewals, stored: StoredSessions, watching: Watching
    ) -> None:
        self._settings = settings
        self._renewals = renewals
        self._stored = stored
        self._watching = watching
        self._bonds: set[Bond] = set()
        self._wheel: Wheel[Bond] = Wheel(
            settings.ping_interval, self._look, self._send_away, watching.server_stops
        )

    # Coming and going.

    async def join(self, bond: Bond, id: str, send: ASGISendCallable | None = None) -> None:
        """Bind to a session. When this is over, the bond may have been told of the end.

        Raises:
            StoreUnavailable: the store did not answer; nothing was bound.
        """
        self._move(bond, self._watching.watch(id, send))
        self._bonds.add(bond)
        bond.slot = self._wheel.pick()
        self._wheel.add(bond, bond.slot)
        # It has joined: it hears of an end in the meantime.
        try:
            found = await self._stored.load_session(id)
        except BaseException:
            self.leave(bond)
            raise
        self._watching.tell(id, found)

    def leave(self, bond: Bond) -> None:
        """The bond is to be told of nothing any more."""
        session = bond.session
        if session is None or bond not in self._bonds:
            return
        self._bonds.discard(bond)
        self._wheel.discard(bond, bond.slot)
        self._renewals.release(session.id)
        if session.bonds is not None:
            session.bonds.discard(bond)
        self._watching.unwatch(session)

    async def ended_wait(self, id: str) -> str:
        """Wait until a session is over; why it is. While the store is down nothing is over."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def end(_: int, reason: str) -> None:
            if not ended.done():
                ended.set_result(reason)

        bond = Bond(end, may_stay=True)
        try:
            while True:
                try:
                    await self.join(bond, id)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(ASK_AGAIN)
            return await ended
        finally:
            self.leave(bond)

    def note_input(self, bond: Bond) -> None:
        """Something came on a bound socket where that is activity."""
        if bond.session is not None and bond in self._bonds:
            self._watching.note(bond.session, _INPUT)

    def close_all(self) -> None:
        """The worker stops."""
        for bond in tuple(self._bonds):
            self._send_away(bond)
        self._wheel.stop()

    def forget(self) -> None:
        """Begin anew, without bonds: the event loop that they were in is gone."""
        self._wheel.forget()
        self._bonds.clear()

    def _move(self, bond: Bond, session: OpenSession) -> None:
        bond.session = session
        if session.bonds is None:
            session.bonds = set()
        session.bonds.add(bond)

    def _send_away(self, bond: Bond) -> None:
        if bond.may_stay:
            self._wheel.discard(bond, bond.slot)
        else:
            self._end(bond, protocol.GOING_AWAY, "the server stops")

    def _end(self, bond: Bond, code: int, reason: str) -> None:
        self.leave(bond)
        bond.end(code, reason)

    # What became of a session.

    def tell_end(self, session: OpenSession, ended: Ended | None) -> None:
        """A session is over, or has another id. None: it is not known why it is over."""
        if not session.bonds or session.followed:
            return
        if ended is not None and ended.reason == REGENERATED:
            session.followed = True
            self._watching.tasks.start(self._follow(session))
            return
        for bond in tuple(session.bonds):
            self._end(bond, protocol.ENDED, reason_of(ended))

    async def _follow(self, old: OpenSession) -> None:
        """The token was changed: go on with the session, if it is still the same user's."""
        try:
            changed = await self._changed(old)
        finally:
            old.followed = False
        bonds, old.bonds = old.bonds or set(), None
        if changed is None:
            # It began anew, or has ended meanwhile: whoever comes back is told as who comes then.
            for bond in bonds:
                self._end(bond, protocol.TOKEN_CHANGED, REGENERATED)
        elif bonds:
            session = self._watching.watch(changed.id)
            for bond in bonds:
                self._move(bond, session)
            with suppress(StoreUnavailable):  # then it is asked later
                # Moved: they hear of an end in the meantime.
                self._watching.tell(session.id, await self._stored.load_session(session.id))
            if session.bonds and old.clocks.active > session.clocks.active > 0.0:
                self._watching.note(session, _INPUT._replace(active=old.idle(), seen=old.idle()))
        self._watching.unwatch(old)

    async def _changed(self, session: OpenSession) -> Changed | None:
        """The session that an id's has become, by a change of nothing: it moves no clock."""
        while session.bonds:
            try:
                saving = self._settings.store.save(session.id, _NOTHING)
                return await ask(saving, self._settings.patience)
            except StoreUnavailable:
                await asyncio.sleep(ASK_AGAIN)
        return None

    def _look(self, bond: Bond) -> None:
        """Ask what became of a session, if that may not have been heard."""
        session = bond.session
        if session is None or session.followed or session.asking:
            return
        lately = monotonic() - session.learned < self._settings.ping_interval
        if session.timer is None or not (lately or self._settings.store.hears(session.learned)):
            session.asking = True
            self._watching.tasks.start(self._ask(session))

    async def _ask(self, session: OpenSession) -> None:
        try:
            with suppress(StoreUnavailable):  # it is asked again at the next turn
                self._watching.tell(session.id, await self._stored.load_session(session.id))
        finally:
            session.asking = False
