"""What operators call by ``python -m quart_idle``."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from time import monotonic
from typing import Final, NoReturn, TextIO

from .exceptions import ConfigError, StoreUnavailable
from .move import Progress, StoreLost, WrongWay, move
from .stores.moving import DraftName, Movable, Name, SessionName
from .stores.urls import movable_of

#: What the process answers: all is done; something is not, as a store did not answer or has what
#: cannot be read; it was called wrongly (as argparse has it); Ctrl-C.
DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
STOPPED: Final = 130

# How long a trip to a store may take, in seconds: nobody's page waits for it.
_TIMEOUT: Final = 10.0

_AGAIN: Final = "What was moved stays moved, and nothing is lost: run it again."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the process is to answer.

    Args:
        arguments: of the command line; None: of this process's.
    """
    given = _parser().parse_args(arguments)
    try:
        return asyncio.run(_move(given))
    except _Wrong as wrong:
        _say(f"error: {wrong}", sys.stderr)
        return wrong.code
    except KeyboardInterrupt:
        _say(f"stopped. {_AGAIN}", sys.stderr)
        return STOPPED


class _Parser(argparse.ArgumentParser):
    """Repeats no argument where one is wrong: it may hold a password."""

    def error(self, message: str) -> NoReturn:  # noqa: ARG002
        self.print_usage(sys.stderr)
        self.exit(WRONG, "error: an argument is missing, or is one too many or not known\n")


class _Wrong(Exception):
    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m quart_idle", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    moving = commands.add_parser(
        "move",
        help="copy living sessions, drafts and reasons from one store to another",
        description=(
            "Copy living sessions, drafts and the reasons of ends from one store to another; then "
            "once more what has changed meanwhile. It can be run again and again, also while the "
            "application runs on the source: what ended there ends in the target, and what was "
            "changed in the target since stays so."
        ),
    )
    moving.add_argument("source", metavar="SOURCE", help="a URL, as QUART_IDLE_STORE has it")
    moving.add_argument("target", metavar="TARGET", help="another one")
    moving.add_argument(
        "--prefix",
        default="quart-idle",
        help="QUART_IDLE_KEY_PREFIX in the source (default: %(default)s)",
    )
    moving.add_argument(
        "--target-prefix", metavar="PREFIX", help="that of the target (default: the same)"
    )
    return parser


async def _move(given: argparse.Namespace) -> int:
    target_prefix = given.prefix if given.target_prefix is None else given.target_prefix
    source = _store("SOURCE", given.source, given.prefix, makes=False)
    target = _store("TARGET", given.target, target_prefix, makes=True)
    async with AsyncExitStack() as stack:
        for name, store in (("SOURCE", source), ("TARGET", target)):
            await _open(name, store)
            stack.push_async_callback(store.close)
        report = _Report()
        try:
            last = await move(source, target, report.tell)
        except StoreLost as lost:
            raise _Wrong(f"{_silent(lost.which.upper(), lost)}. {_AGAIN}", FAILED) from None
        except WrongWay as wrong:
            raise _Wrong(str(wrong), WRONG) from None
        report.round_is_over(last)
        if last.unreadable:
            raise _Wrong(f"{len(last.unreadable):,} could not be read; all else is moved", FAILED)
        if not last.found:
            raise _Wrong(f"SOURCE has no living session under the prefix {given.prefix!r}", FAILED)
    _say(f"done: {last.found:,} living sessions of SOURCE are in TARGET", sys.stdout)
    return DONE


def _say(text: str, stream: TextIO) -> None:
    """Print. Where nobody reads that any more, the move goes on, and its answer tells of it."""
    try:
        print(text, file=stream, flush=True)
    except OSError:  # whoever read has left, or a disk is full
        nobody = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nobody, stream.fileno())
        os.close(nobody)


def _store(name: str, url: str, prefix: str, *, makes: bool) -> Movable:
    try:
        return movable_of(url, prefix, _TIMEOUT, makes=makes)
    except ConfigError as error:
        raise _Wrong(_renamed(error, name), WRONG) from None


async def _open(name: str, store: Movable) -> None:
    try:
        await store.open()
    except ConfigError as error:
        raise _Wrong(_renamed(error, name), WRONG) from None
    except StoreUnavailable as error:
        raise _Wrong(_silent(name, error), FAILED) from None


def _silent(name: str, error: BaseException) -> str:
    """What is told of a store that does not answer: the first cause says most."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{name} does not answer: {type(error).__name__}: {str(error).rstrip('.')}"


def _renamed(error: ConfigError, name: str) -> str:
    return str(error).replace("QUART_IDLE_STORE", name)


class _Report:
    """Says once a second how far it is, what a round came to, and what cannot be read."""

    def __init__(self) -> None:
        self._round = 1
        self._said = monotonic()
        self._last = ""
        self._told: set[Name] = set()

    def tell(self, progress: Progress) -> None:
        for name in progress.unreadable.keys() - self._told:
            self._told.add(name)
            which = progress.unreadable[name].upper()
            _say(f"{which} cannot read {_words(name)}: it stays as it is", sys.stderr)
        if progress.round != self._round:
            _say(self._last, sys.stdout)
            self._round = progress.round
        self._last = _summary(progress)
        if monotonic() - self._said >= 1:
            self._said = monotonic()
            # (ASCII: a terminal may know no other letters.)
            _say(f"... {progress.read:,} read, {progress.moved.total():,} moved", sys.stdout)

    def round_is_over(self, progress: Progress) -> None:
        _say(_summary(progress), sys.stdout)


def _words(name: Name) -> str:
    if isinstance(name, DraftName):
        return f"the draft {name.name} in the box {name.box}"
    return f"the {'session' if isinstance(name, SessionName) else 'untold end of'} {name.id}"


def _summary(progress: Progress) -> str:
    moved = progress.moved
    what = "moved" if progress.round == 1 else "changed meanwhile"
    return (
        f"round {progress.round}: {progress.read:,} read; {what}: {moved['sessions']:,} sessions, "
        f"{moved['ended']:,} ended ones, {moved['drafts']:,} drafts, {moved['ends']:,} untold ends"
    )
