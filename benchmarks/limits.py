"""What passing a queue costs an attempt that does not have to wait, in this process and through Redis."""

import asyncio
import os
import time
import uuid

from agentflow.infra.limits.base import Bucket, Buckets, Line
from agentflow.infra.limits.lines import Lines
from agentflow.infra.limits.memory import MemoryBuckets
from agentflow.infra.limits.redis import RedisBuckets
from agentflow.infra.redis import open_redis
from benchmarks.report import Figure

REDIS = os.environ.get("AGENTFLOW_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
COUNT, AT_ONCE = 2_000, 64


def measure() -> list[Figure]:
    """Measure one attempt after the other, and many at a time."""
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    async with open_redis(REDIS) as redis:
        return [
            Figure("queue passed in memory, one by one", await _one_by_one(MemoryBuckets()), "µs"),
            Figure("queue passed in memory, 64 at a time", await _many(MemoryBuckets()), "µs"),
            Figure("queue passed in Redis, one by one", await _one_by_one(RedisBuckets(redis)), "µs"),
            Figure("queue passed in Redis, 64 at a time", await _many(RedisBuckets(redis)), "µs"),
        ]


def _line() -> Line:
    return Line(f"bench:{uuid.uuid4().hex}", (Bucket("messages", 1e9, 1e9), Bucket("tokens", 1e9, 1e9)))


async def _enter(lines: Lines, line: Line) -> None:
    await lines.enter(line, "", 1.0, (1.0, 100.0), _nothing)


async def _one_by_one(buckets: Buckets) -> float:
    lines, line = Lines(buckets), _line()
    begin = time.perf_counter()
    for _ in range(COUNT):
        await _enter(lines, line)
    return (time.perf_counter() - begin) / COUNT * 1e6


async def _many(buckets: Buckets) -> float:
    lines, line = Lines(buckets), _line()
    begin = time.perf_counter()
    for _ in range(COUNT // AT_ONCE):
        await asyncio.gather(*(_enter(lines, line) for _ in range(AT_ONCE)))
    return (time.perf_counter() - begin) / (COUNT // AT_ONCE * AT_ONCE) * 1e6


def _nothing(_wait_s: float, _reason: str | None) -> None:
    """Nobody waits here."""
