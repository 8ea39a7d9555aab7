"""The public conformance suite for LangGraph savers, all of it, on both databases."""

from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability
from langgraph.checkpoint.memory import InMemorySaver

from agentflow.infra.db.engine import Database
from agentflow.infra.db.group_commit import GroupCommitter
from agentflow.kit.ids import new_id
from agentflow.runtime.checkpoints.saver import AgentFlowSaver
from agentflow.runtime.records.statements import lost_guards


@pytest.fixture
async def saver(database: Database) -> AsyncIterator[AgentFlowSaver]:
    committer = GroupCommitter(database, lost_guards)
    committer.start()
    yield AgentFlowSaver(database, committer).for_tenant(new_id())
    await committer.stop()


@pytest.mark.parametrize("capability", [capability.value for capability in Capability])
async def test_the_saver_conforms(saver: AgentFlowSaver, capability: str) -> None:
    """Every test of every capability, the optional ones too, passes."""

    @checkpointer_test(name="AgentFlowSaver")
    async def ours() -> AsyncGenerator[BaseCheckpointSaver, None]:
        yield saver

    report = await validate(ours, capabilities={capability})
    result = report.results[capability]
    assert result.failures == []
    assert result.detected
    assert result.tests_passed > 4


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
