"""Buckets that all processes share, and what happens while the server that holds them is away."""

import time
from collections.abc import Callable, Collection, Sequence

import structlog
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from agentflow.infra.limits.base import Ask, Line, Turn
from agentflow.infra.limits.memory import MemoryBuckets
from agentflow.infra.limits.redis import RedisBuckets

log = structlog.get_logger(__name__)

OUTAGES = Counter("agentflow_limits_outages_total", "Times Redis went away and this process went on with limits of its own.")
IS_SHARED = Gauge("agentflow_limits_shared", "1 while limits hold over all processes, 0 while Redis is away and each process has its own.")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 5.0
"""Seconds until Redis is tried again, doubling from the first to the longest."""
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
        self._away_until: float | None = None
        self._wait_s = FIRST_WAIT_S
        self._outage = 0
        self._known_since: dict[str, int] = {}
        IS_SHARED.set(1)

    async def turn(self, line: Line, owner: str, new: Sequence[Ask], leaving: Sequence[str], everyone: Collection[Ask]) -> Turn:
        """Line up, leave, pass; see ``Buckets.turn``."""
        if self._may_try():
            doubted = self._outage > 0 and self._known_since.get(line.key) != self._outage
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
        if self._away_until is None:
            try:
                await self._shared.adjust(line, amounts)
            except RedisError as error:
                self._lost(error)
            else:
                return
        await self._own.adjust(line, amounts)

    def _may_try(self) -> bool:
        return self._away_until is None or self._clock() >= self._away_until

    def _lost(self, error: RedisError) -> None:
        self._outage += 1
        if self._away_until is None:
            log.warning("redis is away: each process now keeps limits of its own", error=str(error))
            OUTAGES.inc()
            IS_SHARED.set(0)
            self._own, self._wait_s = MemoryBuckets(self._clock), FIRST_WAIT_S
        else:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self._away_until = self._clock() + self._wait_s

    def _answered(self, key: str) -> None:
        if self._away_until is not None:
            log.info("redis is back: limits hold over all processes again")
            IS_SHARED.set(1)
            self._away_until = None
        if self._outage:
            if len(self._known_since) >= MAX_LINES:
                self._known_since.clear()
            self._known_since[key] = self._outage
