"""Two stores that are asked the same, and must answer the same."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from quart_idle import Store, TooManySessions
from quart_idle.policy import Limits
from quart_idle.stores.base import EndedSome, Listed, Listener


async def answer(store: Store, name: str, *arguments: Any) -> Any:
    """What a store answers, be it that it refuses."""
    try:
        return await getattr(store, name)(*arguments)
    except TooManySessions as refused:
        return refused


class Beside:
    """Two stores that are asked the same, and must answer the same."""

    def __init__(self, one: Store, other: Store) -> None:
        self.both = one, other

    def bind(self, limits: Limits, listener: Listener) -> None:
        for store in self.both:
            store.bind(limits, listener)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def ask(*arguments: Any) -> Any:
            one, other = [await answer(store, name, *arguments) for store in self.both]
            assert plain(one) == plain(other)
            if isinstance(one, TooManySessions):
                raise one
            return one

        return ask


def plain(answer: Any) -> Any:
    """What was answered, with times as far as both stores can tell them."""
    if isinstance(answer, float):
        return round(answer, 3)
    if isinstance(answer, Mapping):
        return {key: plain(value) for key, value in answer.items()}
    if isinstance(answer, TooManySessions):
        return "refused"
    if isinstance(answer, Listed):
        answer = answer._replace(place=0.0)  # each has its own
    if isinstance(answer, EndedSome):
        return set(answer.ids), answer.rest is None
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    if isinstance(answer, tuple):
        return type(answer).__name__, [plain(item) for item in answer]
    return answer
