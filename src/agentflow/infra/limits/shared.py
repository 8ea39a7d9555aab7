"""Buckets that all processes share, and what happens while the server that holds them is away."""

import time
from collections.abc import Callable, Collection, Sequence

from redis.exceptions import RedisError

from agentflow.infra.limits.base import Ask, Line, Turn
from agentflow.infra.limits.memory import MemoryBuckets
from agentflow.infra.limits.outage import Outage
from agentflow.infra.limits.redis import RedisBuckets

MAX_LINES = 10_000


class SharedBuckets:
    """Fulfils ``Buckets`` in Redis; while that is away, by buckets of this process alone.

    The limit is then that of one process for each process: a cap, though not the exact one. Whoever waits keeps waiting, and is lined
    up again on the other side when Redis goes or comes. Nothing raises.

    Args:
        buckets: the shared ones.
        clock: seconds from any beginning, never going back.
    """

    def __init__(self, buckets: RedisBuckets, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = buckets
        self._clock = clock
        self._own = MemoryBuckets(clock)
        self._outage = Outage(clock)
        self._known_since: dict[str, int] = {}

    async def turn(self, line: Line, owner: str, new: Sequence[Ask], leaving: Sequence[str], everyone: Collection[Ask]) -> Turn:
        """Line up, leave, pass; see ``Buckets.turn``."""
        if self._outage.may_try():
            doubted = self._outage.errors > 0 and self._known_since.get(line.key) != self._outage.errors
            try:
                turn = await self._shared.turn(line, owner, new, leaving, everyone, doubted=doubted)
            except RedisError as error:
                self._lost(error)
            else:
                self._answered(line.key)
                return turn
        return await self._own.turn(line, owner, new, leaving, everyone)

    async def adjust(self, line: Line, amounts: Sequence[float]) -> None:
        """Settle an estimate; see ``Buckets.adjust``."""
        if not self._outage.is_on:
            try:
                await self._shared.adjust(line, amounts)
            except RedisError as error:
                self._lost(error)
            else:
                return
        await self._own.adjust(line, amounts)

    def _lost(self, error: RedisError) -> None:
        if self._outage.lost(error):
            self._own = MemoryBuckets(self._clock)

    def _answered(self, key: str) -> None:
        self._outage.answered()
        if self._outage.errors:
            if len(self._known_since) >= MAX_LINES:
                self._known_since.clear()
            self._known_since[key] = self._outage.errors
