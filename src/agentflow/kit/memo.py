"""Remembering what was looked up, for a while."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from agentflow.kit.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memo(Generic[K, V]):
    """Remembers values by key, and lets all who ask for the same at once share one look.

    Without that, everybody under way looks anew at the moment that a value is forgotten: a hundred requests, a hundred queries.

    Args:
        clock: the time.
        lifetime_s: seconds for which a value is remembered, counted from the begin of the look.
        size: most values that are remembered; the longest known go first.
    """

    def __init__(self, clock: Clock, lifetime_s: float, size: int) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._size = size
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._looks: dict[K, asyncio.Task[V]] = {}
        self._forgotten = float("-inf")
        """When a key was forgotten last."""

    async def get(self, key: K, look: Callable[[], Awaitable[V]]) -> V:
        """Return what is known of ``key``, or what ``look`` finds now; an exception of ``look`` is raised and not remembered."""
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() - known[0] < self._lifetime_s:
            return known[1]
        under_way = self._looks.get(key)
        if under_way is None:
            # A task of its own: whoever asked first may go away, and the others still wait.
            under_way = self._looks[key] = asyncio.get_running_loop().create_task(self._look(key, look))
        return await asyncio.shield(under_way)

    async def _look(self, key: K, look: Callable[[], Awaitable[V]]) -> V:
        begun = self._clock.monotonic()
        try:
            value = await look()
            if self._is_wanted(key):
                self._keep(key, value, begun)
            return value
        finally:
            if self._is_wanted(key):
                del self._looks[key]

    def _keep(self, key: K, value: V, since: float) -> None:
        self._known[key] = (since, value)
        while len(self._known) > self._size:
            self._known.popitem(last=False)

    def _is_wanted(self, key: K) -> bool:
        """Tell whether the key was not forgotten while this task looked, so that what it found is not older than that."""
        return self._looks.get(key) is asyncio.current_task()

    def learn(self, key: K, value: V, since: float) -> None:
        """Remember what was found on the way to something else, by a look begun at ``since`` on the clock.

        Unless the key is looked up already, or one was forgotten since then: what was found may be older than that.
        """
        if key not in self._looks and since > self._forgotten:
            self._keep(key, value, since)

    def has(self, key: K) -> bool:
        """Tell whether there was a value not long ago; it may be older than the lifetime."""
        return key in self._known

    def forget(self, key: K) -> None:
        """Look anew the next time that ``key`` is asked for."""
        self._forgotten = self._clock.monotonic()
        self._known.pop(key, None)
        self._looks.pop(key, None)

    def clear(self) -> None:
        """Forget every key."""
        self._forgotten = self._clock.monotonic()
        self._known.clear()
        self._looks.clear()
