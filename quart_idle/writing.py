"""A session's change on its way to the store: create, save, regenerate, take back, end.

Every wait is one in which the session can be changed, cleared or ended by others that have it, or
in which whoever asked may leave: what is newer than what was written is kept, and what may have
happened is asked for again, or taken back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from .config import Settings
from .cookies import id_of, new_token
from .events import Events
from .exceptions import SessionEnded, SessionTooLarge, StoreUnavailable, TooManySessions
from .reasons import SIGNED_OUT
from .regeneration import PendingRegeneration
from .request_session import RequestSession, SetCookie
from .states import EXISTS, TO_END, State
from .stores.asking import ask
from .stores.base import Change, Changed, Fields, Record
from .tasks import Tasks

# How often what nobody is told is asked back, once a second: a change of token, a new session.
_UNDO_TRIES: Final = 60


class SessionWriter:
    """Writes what requests changed in their sessions.

    Args:
        settings: the application's settings, with the store.
        events: is told of sessions that are made, and of who signs in.
    """

    def __init__(self, settings: Settings, events: Events) -> None:
        self._events = events
        self._store = settings.store
        self._patience = settings.patience
        self._max_size = settings.max_size
        self._session_limit = settings.session_limit
        self._undoing = Tasks()

    def close(self) -> None:
        """The worker stops: what is not taken back yet stays."""
        self._undoing.cancel()

    async def save(self, session: RequestSession) -> None:
        """Write what there is to write.

        Raises:
            SessionEnded: the session was over before it could be changed.
            SessionTooLarge: the data is larger than ``QUART_IDLE_MAX_SIZE``.
            StoreUnavailable: the store did not answer.
            TooManySessions: the user may have no more sessions.
            TypeError: a value was changed into one that a session cannot hold.
            RuntimeError: the change needs a new token, and no response can carry it any more.
        """
        async with session._save_lock:
            await self._save(session)

    async def _save(self, session: RequestSession) -> None:
        life, contents = session._life, session._contents
        if life.regeneration is not None and life.state not in TO_END:
            _need_answer(session)
            # The very same again, since it may have happened; then what was changed since.
            await self._regenerate(session, life.regeneration)
        if session._has_signed_out():
            if contents.holds_data():  # which is a new session's
                _need_answer(session)
            session._forget_stored()
            life.signed_out(SIGNED_OUT)
        if life.state in TO_END:
            await self._end(session)
        if life.state is State.ABSENT or (
            life.state is State.SUPERSEDED and contents.user_id is not None
        ):
            if contents.holds_data():
                await self._create(session)
        elif life.id is not None:
            await self._change(session, life.id)

    async def _end(self, session: RequestSession) -> None:
        life = session._life
        id, reason = life.stored_id or "", life.ended or SIGNED_OUT
        ended = await ask(self._store.end(id, reason, id), self._patience)
        pending = life.regeneration
        # If it was over before, or has another token, a newer cookie may be on its way.
        is_own = ended == id or (pending is not None and ended == pending.new_id)
        life.over(reason, elsewhere=not is_own)
        session._cookie = SetCookie(None) if is_own else None

    async def _create(self, session: RequestSession) -> None:
        epoch, change = session._contents.epoch, self._change_of(session)
        _need_answer(session)
        token = new_token()
        id = id_of(token)
        try:
            clocks = await ask(self._store.create(id, change), self._patience)
        except TooManySessions:
            raise
        except BaseException:
            # Nobody is told the token: a session that has been made is in its user's list, and
            # would take a place there.
            if change.attributes.get("user_id") is not None:
                self._undoing.start(self._end_later(id))
            raise
        user = change.attributes.get("user_id")
        self._events.created(id, Record(Fields(), user, clocks, clocks.created))
        if session._contents.epoch != epoch:  # it was over before it began
            await ask(self._store.end(id, SIGNED_OUT, id), self._patience)
            return
        session._created(id, token, clocks)
        session._is_written(change, epoch)

    async def _end_later(self, id: str) -> None:
        """Have a session end that may have been made, or may be yet, by a slow store."""
        absences = 0
        for _ in range(_UNDO_TRIES):
            await asyncio.sleep(1.0)
            with suppress(StoreUnavailable):
                if await ask(self._store.end(id, SIGNED_OUT, id), self._patience) is not None:
                    return
                absences += 1
            if absences == 2:
                return

    async def _change(self, session: RequestSession, id: str) -> None:
        life, contents = session._life, session._contents
        if life.state is State.OVER:
            raise _too_late(id)
        epoch, change = contents.epoch, self._change_of(session)
        if life.state is not State.LIVE or contents.is_another_user_s():
            if contents.holds_data():
                _need_answer(session)
            pending = PendingRegeneration(
                id, new_token(id), change, contents.stored, epoch, contents.authenticated
            )
            await self._regenerate(session, pending)
        elif change.fields or change.attributes:
            changed = await ask(self._store.save(id, change), self._patience)
            _settle(session, id, changed, change, epoch)

    async def _regenerate(self, session: RequestSession, pending: PendingRegeneration) -> None:
        life = session._life
        is_first = life.regeneration is not pending
        life.regeneration_asked(pending)
        try:
            call = self._store.regenerate(pending.id, pending.new_id, pending.change)
            changed = await ask(call, self._patience)
        except TooManySessions:
            life.taken_back()  # it has not moved, and will not: another may be asked for
            raise
        except BaseException:
            # Whoever is not told whether the token has changed is not told the new one: the client
            # is answered 503, or has gone.
            if is_first and pending.undo is not None:
                self._undoing.start(self._undo_later(session, pending))
            raise
        change = pending.change
        if changed is None and not change.begins_anew:
            # Another request may have changed the token alone: what is written belongs to the same
            # session still. A proof does not: who has that token may have had a copy of the cookie.
            change = change.without_proof
            try:
                changed = await ask(self._store.save(pending.id, change), self._patience)
            except BaseException:
                life.taken_back()  # it has not moved, and will not: another may be asked for
                raise
            session._contents.is_not_proved(pending.epoch)
        if changed is None or changed.id != pending.new_id:
            _settle(session, pending.id, changed, change, pending.epoch)
            return
        life.regenerated(pending.new_id)
        user = pending.change.attributes.get("user_id")
        if user is not None:
            self._events.signed_in(pending.new_id, session._as_of_now(user))
        if life.state in EXISTS:
            session._cookie = SetCookie(pending.token)
            session._is_written(pending.change, pending.epoch)

    async def take_back(self, session: RequestSession) -> None:
        """Have a session, which is to be read again, where it was before a change of its token.

        Whoever calls has its lock.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        pending = session._life.regeneration
        if pending is not None and pending.undo is not None:
            await self._undo(pending)
            session._life.taken_back()

    async def _undo_later(self, session: RequestSession, pending: PendingRegeneration) -> None:
        """Have a session go back to the token that its client has, lest it be signed out."""
        await asyncio.sleep(0)  # who asked may ask again: that goes first, as long as it is quick
        for _ in range(_UNDO_TRIES):
            async with session._save_lock:
                if session._life.regeneration is not pending:
                    return  # it was asked for again, and answered
                # That it has not moved is no end: a slow store may get to that only now.
                with suppress(StoreUnavailable):
                    if await self._undo(pending):
                        session._life.taken_back()
                        return
            await asyncio.sleep(1.0)

    async def _undo(self, pending: PendingRegeneration) -> bool:
        undo = pending.undo
        if undo is None:
            return False
        call = self._store.regenerate(pending.new_id, pending.id, undo)
        return await ask(call, self._patience) is not None

    def _change_of(self, session: RequestSession) -> Change:
        contents = session._contents
        cleared = session._life.state is State.CLEARED
        change = contents.change(clear=cleared, device=session._device)
        if change.fields or change.attributes:
            size = contents.size(change.fields)
            if size > self._max_size:
                raise SessionTooLarge(
                    f"the session's data takes {size} bytes; "
                    f"QUART_IDLE_MAX_SIZE allows {self._max_size}"
                )
        if self._session_limit is not None and change.attributes.get("user_id") is not None:
            change = change._replace(limit=self._session_limit)
        return change


def _need_answer(session: RequestSession) -> None:
    if not session._can_set_cookie:
        raise RuntimeError(
            "this change of the session needs a new cookie, and there is no response (any "
            "more) that could carry it; make it in an HTTP request, before the response"
        )


def _too_late(id: str) -> SessionEnded:
    return SessionEnded(f"the session {id} was over before it could be changed")


def _settle(
    session: RequestSession, id: str, changed: Changed | None, change: Change, epoch: int
) -> None:
    """Take in what became of a change, and of the session that had this id.

    Where it has another by now, a newer cookie is on its way, and none is sent.
    """
    if changed is None:
        session._life.not_there()
        raise _too_late(id)
    again = session._token_again(change)
    session._is_written(change, epoch)
    elsewhere = changed.id != id
    if changed.ended:
        session._forget_stored()
        session._life.over(SIGNED_OUT, elsewhere=elsewhere)
        session._cookie = None if elsewhere else SetCookie(None)
        return
    session._life.saved(changed.id)
    if session._life.state in EXISTS:
        token = (session._cookie and session._cookie.token) or again
        if token is not None:
            session._cookie = None if elsewhere else SetCookie(token)
