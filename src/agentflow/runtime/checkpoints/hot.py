"""The hot tier: the newest checkpoints of live runs in Redis, on plain commands and one key a run.

Nothing rests on it. A run's journal says what has run; a checkpoint only spares the engine the walk to that place. So Redis may be
away, empty or behind: then checkpoints go to the database, and a run that is taken up begins at what is left.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from prometheus_client import Counter, Gauge
from redis.exceptions import RedisError

from agentflow.kit.tasks import ended

if TYPE_CHECKING:
    from agentflow.infra.redis import RedisClient

log = structlog.get_logger(__name__)

UP = Gauge("agentflow_checkpoint_tier_up", "1 while checkpoints of live runs go to Redis, 0 while they go to the database instead.")
HOT = Counter("agentflow_checkpoints_hot_total", "Checkpoints that were put into Redis.")
DROPPED = Counter("agentflow_checkpoints_hot_dropped_total", "Checkpoints that did not get into Redis, because it was away or too slow.")

PREFIX = "agentflow:checkpoints"
TIMEOUT_S = 2.0
"""Seconds after which Redis counts as away."""
RETRY_S = 1.0
"""Seconds between attempts to reach Redis again."""
BACKLOG = 20_000
"""Most changes that wait for Redis; what is beyond is left out."""

_FAILURES = (RedisError, OSError, TimeoutError)


class Settles(Protocol):
    """A live run whose newest checkpoint may be in Redis only."""

    def settle(self) -> None:
        """Write the newest checkpoint to the database."""
        ...


def key_of(tenant_id: str, thread_id: str) -> str:
    """Return the key of a thread: a hash of checkpoints."""
    return f"{PREFIX}:{tenant_id}:{thread_id}"


class HotTier:
    """Sends changes to Redis in the background, many in one round trip; nobody waits for them.

    Args:
        redis: the client.
        ttl_s: seconds after which the checkpoints of a run that writes no more disappear.
        write_back_s: seconds between write-backs of live runs to the database.
    """

    def __init__(self, redis: "RedisClient", ttl_s: int, write_back_s: float) -> None:
        self._redis = redis
        self._up = asyncio.Event()
        self._ttl_s = ttl_s
        self._write_back_s = write_back_s
        self._puts: dict[str, dict[bytes, bytes]] = {}
        self._forgotten: dict[str, list[bytes]] = {}
        self._waiting = 0
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._live: set[Settles] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def up(self) -> bool:
        """Whether Redis answered last time."""
        return self._up.is_set()

    async def start(self) -> None:
        """Look whether Redis answers, and begin to send and to write back."""
        UP.set(0)
        if not await self._reach():
            log.warning("Redis does not answer: checkpoints go to the database until it does")
        self._tasks = [
            asyncio.create_task(self._sending(), name="hot-checkpoints"),
            asyncio.create_task(self._writing_back(), name="checkpoint-write-back"),
        ]

    async def stop(self) -> None:
        """Send what waits, then stop and close the client."""
        await ended(*self._tasks)
        await self._flush()
        await self._redis.aclose()

    def watch(self, run: Settles) -> None:
        """Have a live run written back from time to time, and at once when Redis is lost."""
        self._live.add(run)

    def leave(self, run: Settles) -> None:
        """Write a run back no more: it has settled."""
        self._live.discard(run)

    def put(self, key: str, field: bytes, value: bytes) -> None:
        """Put a checkpoint into a hash, soon."""
        if not self.up or self._waiting >= BACKLOG:
            DROPPED.inc()
            return
        self._puts.setdefault(key, {})[field] = value
        self._more()

    def forget(self, key: str, fields: Iterable[bytes]) -> None:
        """Take checkpoints out of a hash, soon; an empty hash is gone."""
        waiting = self._puts.get(key, {})
        sent = [field for field in fields if waiting.pop(field, None) is None]
        if key in self._puts and not waiting:
            del self._puts[key]
        if self.up and sent:
            self._forgotten.setdefault(key, []).extend(sent)
            self._more()

    async def read(self, key: str) -> Mapping[bytes, bytes]:
        """Return a hash; empty when Redis is away."""
        found: Any = await self._ask(lambda: self._redis.hgetall(key))
        return found or {}

    async def drop(self, keys: Iterable[str]) -> None:
        """Delete hashes."""
        names = list(keys)
        if names:
            await self._ask(lambda: self._redis.unlink(*names))

    async def threads(self, tenant_id: str) -> list[str]:
        """Return the ids of a tenant's threads; empty when Redis is away."""
        prefix = key_of(tenant_id, "").encode()
        found: Any = await self._ask(lambda: _scan(self._redis, prefix + b"*"))
        return [key[len(prefix) :].decode() for key in found or ()]

    def _more(self) -> None:
        self._waiting += 1
        self._wake.set()

    async def _ask(self, command: Any) -> Any:
        """Run a command behind everything that waits; None when Redis is away."""
        await self._flush()
        if not self.up:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await command()
        except _FAILURES as error:
            self._lose(error)
            return None

    async def _flush(self) -> None:
        async with self._turn:
            puts, forgotten = self._puts, self._forgotten
            self._puts, self._forgotten, self._waiting = {}, {}, 0
            if not (self.up and (puts or forgotten)):
                return
            pipeline = self._redis.pipeline(transaction=False)
            for key, fields in puts.items():
                pipeline.hset(key, mapping=fields)  # type: ignore[arg-type]  # bytes are keys too
                pipeline.expire(key, self._ttl_s)
            for key, names in forgotten.items():
                pipeline.hdel(key, *names)
            count = sum(map(len, puts.values()))
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await pipeline.execute()
            except _FAILURES as error:
                DROPPED.inc(count)
                self._lose(error)
            else:
                HOT.inc(count)

    async def _sending(self) -> None:
        while True:
            if not self.up:
                await asyncio.sleep(RETRY_S)
                if await self._reach():
                    log.info("Redis answers: checkpoints of live runs go there")
                continue
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._flush()
            except Exception as error:
                log.exception("checkpoints could not be sent to Redis")  # a process that sends no more would look as if it did
                self._lose(error)

    async def _writing_back(self) -> None:
        while True:
            await asyncio.sleep(self._write_back_s)
            self._settle()

    async def _reach(self) -> bool:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._redis.ping()
        except _FAILURES:
            return False
        self._up.set()
        UP.set(1)
        return True

    def _lose(self, error: Exception) -> None:
        if self.up:
            self._up.clear()
            UP.set(0)
            log.warning("Redis does not answer: checkpoints go to the database until it does", error=repr(error))
            self._wake.set()
            self._settle()

    def _settle(self) -> None:
        for run in list(self._live):
            run.settle()


async def _scan(redis: "RedisClient", pattern: bytes) -> list[bytes]:
    return [key async for key in redis.scan_iter(match=pattern, count=1_000)]
