"""The tier of checkpoints in Redis: what goes there and when, what comes back to the database, and what happens when Redis is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import Batch, GroupCommitter, Statement
from agentflow.infra.redis import open_redis
from agentflow.kit import tasks
from agentflow.kit.ids import new_id
from agentflow.runtime.checkpoints import hot
from agentflow.runtime.checkpoints.hot import HotTier, key_of
from agentflow.runtime.checkpoints.statements import CHECKPOINTS
from agentflow.runtime.checkpoints.tiered import RunSaver, TieredSaver
from agentflow.runtime.records.statements import lost_guards
from tests.runtime.checkpoints.test_saver import chain, thread
from tests.support.redis_server import RedisProcess

TENANT = new_id()


class Journal:
    """Stands in for a run's journal: rows become durable when the test says so."""

    def __init__(self, committer: GroupCommitter) -> None:
        self._committer = committer
        self.batch = Batch()
        self.waiting: list[Callable[[], None]] = []

    def add(self, statement: Statement, row: Mapping[str, Any]) -> None:
        self.batch.add(statement, row)

    def after(self, action: Callable[[], None]) -> None:
        self.waiting.append(action)

    async def commit(self) -> None:
        batch, waiting = self.batch, self.waiting
        self.batch, self.waiting = Batch(), []
        if batch.writes:
            await self._committer.submit(batch)
        for action in waiting:
            action()


@pytest.fixture
async def committer(database: Database) -> AsyncIterator[GroupCommitter]:
    committer = GroupCommitter(database, lost_guards)
    committer.start()
    yield committer
    await committer.stop()


@pytest.fixture
async def tier(redis_process: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HotTier]:
    monkeypatch.setattr(hot, "RETRY_S", 0.02)
    tier = HotTier(open_redis(redis_process.url), ttl_s=86_400, write_back_s=3600)
    await tier.start()
    yield tier
    await tier.stop()


@pytest.fixture
async def redis(redis_process: RedisProcess) -> AsyncIterator[Redis]:
    client = open_redis(redis_process.url)
    yield client
    await client.aclose()


@pytest.fixture
def savers(database: Database, committer: GroupCommitter, tier: HotTier) -> TieredSaver:
    return TieredSaver(database, committer, tier)


@pytest.fixture
def journal(committer: GroupCommitter) -> Journal:
    return Journal(committer)


def saver_of(savers: TieredSaver, journal: Journal) -> RunSaver:
    return savers.for_run(TENANT, journal.add, journal.after)


async def walk(saver: RunSaver, length: int, name: str = "t") -> Any:
    """Run a chain over ``saver`` from its start."""
    await saver.begin(name, None)
    return await chain(length).compile(checkpointer=saver).ainvoke({}, thread(name), durability="sync")


async def rows(database: Database) -> int:
    """Return how many checkpoints the database holds."""
    async with database.reading() as session:
        return (await session.scalar(select(func.count()).select_from(CHECKPOINTS))) or 0


def agrees(channels: Any) -> bool:
    return True


async def test_a_checkpoint_goes_to_redis_only_behind_its_journal(
    savers: TieredSaver, tier: HotTier, journal: Journal, redis: Redis, database: Database
) -> None:
    """Before the rows it stands on are durable Redis holds nothing; then it holds every checkpoint with a time to live of a day."""
    await walk(saver_of(savers, journal), 5)
    await tier.read("")
    assert await redis.dbsize() == 0
    await journal.commit()
    found = await tier.read(key_of(TENANT, "t"))
    assert len(found) == 7
    assert 86_300 < await redis.ttl(key_of(TENANT, "t")) <= 86_400
    assert await rows(database) == 0


async def test_the_newest_checkpoint_is_written_back_and_redis_lets_go(
    savers: TieredSaver, tier: HotTier, journal: Journal, redis: Redis, database: Database
) -> None:
    """At its end a run leaves one whole checkpoint in the database and nothing in Redis."""
    saver = saver_of(savers, journal)
    result = await walk(saver, 5)
    saver.close()
    await journal.commit()
    assert await tier.read(key_of(TENANT, "t")) == {}
    assert await redis.dbsize() == 0
    assert await rows(database) == 1
    assert (await chain(5).compile(checkpointer=savers.for_tenant(TENANT)).aget_state(thread())).values == result


async def test_write_backs_of_a_long_run_replace_one_another(
    savers: TieredSaver, tier: HotTier, journal: Journal, database: Database
) -> None:
    """A run of 600 steps is written back on the way, and neither Redis nor the database keeps what is behind it."""
    saver = saver_of(savers, journal)
    await walk(saver, 600)
    await journal.commit()
    assert await rows(database) == 1
    assert len(await tier.read(key_of(TENANT, "t"))) < 100
    state = await chain(600).compile(checkpointer=savers.for_tenant(TENANT)).aget_state(thread())
    assert len(state.values) == 600


async def test_another_owner_goes_on_from_redis(savers: TieredSaver, tier: HotTier, journal: Journal, database: Database) -> None:
    """What a dead owner left in Redis is where the next begins, and what the next writes back."""
    await walk(saver_of(savers, journal), 5)
    await journal.commit()
    heir = saver_of(savers, journal)
    assert await heir.begin("t", agrees)
    found = await heir.aget_tuple(thread())
    assert found is not None
    assert len(found.checkpoint["channel_values"]) >= 5
    heir.close()
    await journal.commit()
    assert await rows(database) == 1
    assert await tier.read(key_of(TENANT, "t")) == {}


async def test_what_another_owner_writes_back_is_the_checkpoint_that_it_found(
    savers: TieredSaver, tier: HotTier, journal: Journal, redis: Redis
) -> None:
    """Also when LangGraph, which goes on in the checkpoint that it was given, has noted its next step there by then."""
    await walk(saver_of(savers, journal), 3)
    await journal.commit()
    await tier.read("")
    second = saver_of(savers, journal)
    assert await second.begin("t", agrees)
    found = await second.aget_tuple(thread("t"))
    assert found is not None
    before = dict(found.checkpoint["channel_versions"])
    found.checkpoint["channel_versions"]["n0"] = 99
    second.settle()
    await journal.commit()
    await redis.flushall()
    third = saver_of(savers, journal)
    assert await third.begin("t", agrees)
    written = await third.aget_tuple(thread("t"))
    assert written is not None
    assert written.checkpoint["channel_versions"] == before


async def test_a_checkpoint_that_says_more_than_the_journal_is_passed_over(savers: TieredSaver, journal: Journal) -> None:
    """Whatever Redis holds, a run never goes on from what its journal does not know."""
    await walk(saver_of(savers, journal), 5)
    await journal.commit()
    heir = saver_of(savers, journal)
    assert not await heir.begin("t", lambda channels: "@n4" not in channels)
    assert await heir.aget_tuple(thread()) is None


async def test_damaged_checkpoints_in_redis_are_passed_over(savers: TieredSaver, journal: Journal, redis: Redis, tier: HotTier) -> None:
    """Bytes that are not ours, and a chain with a missing link, send the run to its start; nothing raises."""
    await walk(saver_of(savers, journal), 5)
    await journal.commit()
    key = key_of(TENANT, "t")
    fields = sorted(await tier.read(key))
    await redis.hset(key, fields[-1], b"\xc7\x0c\x00\x93\xa2os\xa6getenv")
    assert not await saver_of(savers, journal).begin("t", agrees)
    await redis.hdel(key, fields[-1], fields[2])
    assert not await saver_of(savers, journal).begin("t", agrees)


async def test_losing_redis_sends_checkpoints_to_the_database_and_back(
    savers: TieredSaver, tier: HotTier, journal: Journal, redis_process: RedisProcess, database: Database
) -> None:
    """Killed in the middle: what only Redis held is written from memory, what follows goes to the database, until Redis is back."""
    saver = saver_of(savers, journal)
    result = await walk(saver, 3)
    await journal.commit()
    redis_process.kill()
    assert await tier.read(key_of(TENANT, "t")) == {}
    assert not tier.up
    await journal.commit()
    assert await rows(database) == 1
    other = saver_of(savers, journal)
    await walk(other, 3, "u")
    await journal.commit()
    assert await rows(database) == 1 + 5
    redis_process.start()
    await tier._up.wait()
    await walk(saver_of(savers, journal), 3, "v")
    await journal.commit()
    assert len(await tier.read(key_of(TENANT, "v"))) == 5
    assert (await chain(3).compile(checkpointer=savers.for_tenant(TENANT)).aget_state(thread())).values == result


async def test_a_redis_that_is_away_at_the_start_is_no_error(redis_process: RedisProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tier starts without it and finds it later."""
    monkeypatch.setattr(hot, "RETRY_S", 0.02)
    redis_process.kill()
    tier = HotTier(open_redis(redis_process.url), ttl_s=60, write_back_s=3600)
    await tier.start()
    assert not tier.up
    tier.put("agentflow:checkpoints:x", b"f", b"v")
    redis_process.start()
    await tier._up.wait()
    assert await tier.read("agentflow:checkpoints:x") == {}
    await tier.stop()


async def test_the_tier_stops_at_any_moment_of_sending(redis_process: RedisProcess, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the client loses the cancellation; what was put is there."""
    monkeypatch.setattr(tasks, "AGAIN_S", 0.01)
    for turns in range(30):
        tier = HotTier(open_redis(redis_process.url), ttl_s=60, write_back_s=3600)
        await tier.start()
        tier.put(key_of(TENANT, "t"), b"%d" % turns, b"value")
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await tier.stop()
    assert await redis.hlen(key_of(TENANT, "t")) == 30
