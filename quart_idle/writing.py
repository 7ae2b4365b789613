"""A session's change on its way to the store: create, save, regenerate, take back, end.

Every wait is one in which the session can be changed, cleared or ended by others that have it, or
in which whoever asked may leave: what is newer than what was written is kept, and what may have
happened is asked for again, or taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Final

from .config import Settings
from .cookies import id_of, new_token
from .exceptions import SessionEnded, SessionTooLarge, StoreUnavailable
from .session import Move, Session
from .stores.base import SIGNED_OUT, Attributes, Change, Changed, ask

# How often a session is asked back to the token that its client has, once a second.
_UNDO_TRIES: Final = 60


class SessionWriter:
    """Writes what requests changed in their sessions.

    Args:
        settings: the application's settings, with the store.
    """

    def __init__(self, settings: Settings) -> None:
        self._store = settings.store
        self._patience = settings.patience
        self._max_size = settings.max_size
        # Strong references: a loop has only weak ones.
        self._undoing: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """The worker stops: what is not taken back yet stays."""
        for task in self._undoing:
            task.cancel()

    async def save(self, session: Session) -> None:
        """Write what there is to write.

        Raises:
            SessionEnded: the session was over before it could be changed.
            SessionTooLarge: the data is larger than ``QUART_IDLE_MAX_SIZE``.
            StoreUnavailable: the store did not answer.
            TypeError: a value was changed into one that a session cannot hold.
            RuntimeError: the change needs a new token, and no response can carry it any more.
        """
        async with session._save_lock:
            await self._save(session)

    async def _save(self, session: Session) -> None:
        if session._over is not None:
            await self._end(session, *session._over)
        if session._id is None:
            if session._holds_data() and not (session._superseded and session._user_id is None):
                await self._create(session)
        elif session._move is not None:
            _need_answer(session)
            # The very same again, since it may have happened; then what was changed since.
            await self._regenerate(session, session._move)
            await self._save(session)
        elif session._has_signed_out():
            if session._holds_data():  # which is a new session's
                _need_answer(session)
            session._over = session._id, SIGNED_OUT
            session._begin_anew(SIGNED_OUT)
            await self._save(session)
        else:
            await self._change(session, session._id)

    async def _end(self, session: Session, id: str, reason: str) -> None:
        ended = await ask(self._store.end(id, reason), self._patience)
        own = {id} if session._move is None else {id, session._move.new_id}
        session._over = session._token = session._move = None
        # If it was over before, or has another token, a newer cookie may be on its way.
        session._forget_cookie = ended in own
        session._superseded = ended not in own

    async def _create(self, session: Session) -> None:
        base, change = session._base, self._change_of(session)
        _need_answer(session)
        token = new_token()
        id = id_of(token)
        clocks = await ask(self._store.create(id, change), self._patience)
        if session._base is not base:  # it was over before it began
            await ask(self._store.end(id, SIGNED_OUT), self._patience)
            return
        session._id, session._token = id, token
        session._clocks = clocks._replace(timeout=session._own_timeout)
        session._offset = clocks.created - monotonic()
        session._ended = None
        session._written(change, base)

    async def _change(self, session: Session, id: str) -> None:
        another = session._cleared or session._user_id != session._base_user_id
        base, change = session._base, self._change_of(session)
        if session._token_wanted or another:
            if session._holds_data():
                _need_answer(session)
            await self._regenerate(session, Move(id, new_token(id), change, base))
        elif change.fields or change.attributes:
            changed = await ask(self._store.save(id, change), self._patience)
            _settle(session, id, changed, change, base)

    async def _regenerate(self, session: Session, move: Move) -> None:
        again, session._move = session._move is move, move
        try:
            call = self._store.regenerate(move.id, move.new_id, move.change)
            changed = await ask(call, self._patience)
        except BaseException:
            # Whoever is not told whether the token has changed is not told the new one: the client
            # is answered 503, or has gone.
            if not again and move.undo is not None:
                task = asyncio.get_running_loop().create_task(self._undo_later(session, move))
                self._undoing.add(task)
                task.add_done_callback(self._undoing.discard)
            raise
        session._move = None
        if changed is None and not move.change.anew:
            # Another request may have changed the token alone: what is written belongs to the same
            # session still.
            changed = await ask(self._store.save(move.id, move.change), self._patience)
        if changed is None or changed.id != move.new_id:
            _settle(session, move.id, changed, move.change, move.base)
            session._token_wanted = False
        elif session._over is not None:
            session._over = move.new_id, session._over[1]
        else:
            session._id, session._token = move.new_id, move.token
            session._token_wanted = False
            session._written(move.change, move.base)

    async def take_back(self, session: Session) -> None:
        """Have a session, which is to be read again, where it was before a change of its token.

        Whoever calls has its lock.

        Raises:
            StoreUnavailable: the store did not answer.
        """
        if session._move is not None:
            await self._undo(session._move)
            session._move = None

    async def _undo_later(self, session: Session, move: Move) -> None:
        """Have a session go back to the token that its client has, lest it be signed out."""
        await asyncio.sleep(0)  # who asked may ask again: that goes first, as long as it is quick
        for _ in range(_UNDO_TRIES):
            async with session._save_lock:
                if session._move is not move:  # it was asked for again, and answered
                    return
                # That it has not moved is no end: a slow store may get to that only now.
                with suppress(StoreUnavailable):
                    if await self._undo(move):
                        session._move = None
                        return
            await asyncio.sleep(1.0)

    async def _undo(self, move: Move) -> bool:
        undo = move.undo
        if undo is None:
            return False
        call = self._store.regenerate(move.new_id, move.id, undo)
        return await ask(call, self._patience) is not None

    def _change_of(self, session: Session) -> Change:
        attributes: Attributes = {}
        if session._adopts or session._cleared or session._user_id != session._base_user_id:
            attributes["user_id"] = session._user_id
        if session._timeout_set or session._cleared:
            attributes["timeout"] = session._own_timeout
        fields = session._changes()
        if (fields or attributes) and (size := session._size(fields)) > self._max_size:
            raise SessionTooLarge(
                f"the session's data takes {size} bytes; "
                f"QUART_IDLE_MAX_SIZE allows {self._max_size}"
            )
        return Change(fields, attributes, session._cleared)


def _need_answer(session: Session) -> None:
    if not session._answerable:
        raise RuntimeError(
            "this change of the session needs a new cookie, and there is no response (any "
            "more) that could carry it; make it in an HTTP request, before the response"
        )


def _settle(
    session: Session,
    id: str,
    changed: Changed | None,
    change: Change,
    base: Mapping[str, bytes],
) -> None:
    """Take in what became of a change, and of the session that had this id.

    Where it has another by now, a newer cookie is on its way, and none is sent.
    """
    if changed is None:
        raise SessionEnded(f"the session {id} was over before it could be changed")
    token = session._token or session._token_again(change)
    session._written(change, base)
    if changed.ended:
        session._begin_anew(SIGNED_OUT)
        session._over = session._token = None
        session._forget_cookie = changed.id == id
        session._superseded = changed.id != id
    elif session._id == id:
        session._id, session._token = changed.id, token if changed.id == id else None
