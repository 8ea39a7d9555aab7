"""Where the limits of this installation are kept: in Redis when there is one, else in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agentflow.config.settings import Settings
from agentflow.infra.limits.lines import Lines
from agentflow.infra.limits.memory import MemoryBuckets
from agentflow.infra.limits.rates import LocalRates, Rates
from agentflow.kit.clock import Clock

REDIS_TIMEOUT_S = 0.5
"""A limit that is not answered by then is kept by this process alone."""


@asynccontextmanager
async def open_limits(settings: Settings) -> AsyncIterator[Lines]:
    """Give the lines in which runs wait for the limits of their queues.

    Raises:
        RedisNotUsable: ``redis_url`` is set, but the extra ``cluster`` is not installed, or the URL cannot be read.
    """
    if settings.redis_url is None:
        lines = Lines(MemoryBuckets())
        yield lines
        await lines.close()
        return
    from agentflow.infra.redis import open_redis

    async with open_redis(settings.redis_url, timeout_s=REDIS_TIMEOUT_S, repeats=0) as redis:
        from agentflow.infra.limits.redis import RedisBuckets
        from agentflow.infra.limits.shared import SharedBuckets

        lines = Lines(SharedBuckets(RedisBuckets(redis)))
        yield lines
        await lines.close()


@asynccontextmanager
async def open_rates(settings: Settings, clock: Clock) -> AsyncIterator[Rates]:
    """Give the buckets of requests a minute.

    Raises:
        RedisNotUsable: ``redis_url`` is set, but the extra ``cluster`` is not installed, or the URL cannot be read.
    """
    if settings.redis_url is None:
        yield LocalRates(clock.monotonic)
        return
    from agentflow.infra.redis import open_redis

    async with open_redis(settings.redis_url, timeout_s=REDIS_TIMEOUT_S, repeats=0) as redis:
        from agentflow.infra.limits.leased import LeasedRates

        rates = LeasedRates(redis, clock.monotonic)
        yield rates
        await rates.close()
