"""The public conformance suite for LangGraph savers, all of it, on both databases, with and without the tier in Redis."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.checkpoint.memory import InMemorySaver

from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import GroupCommitter, Statement
from agentflow.infra.redis import open_redis
from agentflow.kit.ids import new_id
from agentflow.runtime.checkpoints.hot import HotTier, key_of
from agentflow.runtime.checkpoints.hot_rows import field_of, pack_row
from agentflow.runtime.checkpoints.saver import AgentFlowSaver
from agentflow.runtime.checkpoints.tiered import TieredSaver
from agentflow.runtime.records.statements import lost_guards
from tests.support.redis_server import REDIS

CAPABILITIES = [capability.value for capability in Capability]


class OnlyInRedis(TieredSaver):
    """Puts every checkpoint into Redis and none into the database, as a live run does between two write-backs."""

    def for_tenant(self, tenant_id: str) -> "OnlyInRedis":
        return OnlyInRedis(self._database, self._committer, self._tier, tenant_id)

    async def _store(self, rows: Sequence[tuple[Statement, Mapping[str, Any]]]) -> None:
        for statement, row in rows:
            if statement is self._statements.put:
                value = pack_row(row["parent_id"], row["run_id"], row["body"])
                self._tier.put(key_of(self._tenant, row["thread_id"]), field_of(row["checkpoint_ns"], row["checkpoint_id"]), value)
            else:
                await super()._store([(statement, row)])


@pytest.fixture
async def committer(database: Database) -> AsyncIterator[GroupCommitter]:
    committer = GroupCommitter(database, lost_guards)
    committer.start()
    yield committer
    await committer.stop()


@pytest.fixture(params=["redis", "a cluster of redis"])
async def tier(request: pytest.FixtureRequest) -> AsyncIterator[HotTier]:
    url = REDIS if request.param == "redis" else request.getfixturevalue("redis_cluster")
    tier = HotTier(open_redis(url), ttl_s=60, write_back_s=3600)
    await tier.start()
    assert tier.up
    yield tier
    await tier.stop()


async def conforms(saver: AgentFlowSaver, capability: str) -> None:
    """Run every test of a capability."""

    @checkpointer_test(name=type(saver).__name__)
    async def ours() -> AsyncGenerator[BaseCheckpointSaver, None]:
        yield saver

    report = await validate(ours, capabilities={capability})
    result = report.results[capability]
    assert result.failures == []
    assert result.detected
    assert result.tests_passed > 4


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_the_saver_conforms(database: Database, committer: GroupCommitter, capability: str) -> None:
    """Every test of every capability, the optional ones too, passes."""
    await conforms(AgentFlowSaver(database, committer).for_tenant(new_id()), capability)


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_the_saver_over_redis_conforms(database: Database, committer: GroupCommitter, tier: HotTier, capability: str) -> None:
    """The same holds for the saver that reads both tiers."""
    await conforms(TieredSaver(database, committer, tier).for_tenant(new_id()), capability)


@pytest.mark.parametrize("capability", CAPABILITIES)
async def test_checkpoints_that_only_redis_holds_conform(
    database: Database, committer: GroupCommitter, tier: HotTier, capability: str
) -> None:
    """And for checkpoints that have not been written back: they are read, listed, copied, pruned and deleted like all others."""
    saver = OnlyInRedis(database, committer, tier).for_tenant(new_id())
    await conforms(saver, capability)


async def test_the_suite_notices_a_saver_that_loses_writes() -> None:
    """The suite is able to fail: a saver that forgets pending writes does not pass."""

    class Forgetful(InMemorySaver):
        async def aput_writes(self, *arguments: object, **options: object) -> None:
            return None

    @checkpointer_test(name="Forgetful")
    async def broken() -> AsyncGenerator[BaseCheckpointSaver, None]:
        yield Forgetful()

    report = await validate(broken, capabilities={"put_writes"})
    assert not report.passed_all()
