"""A plan that is one chain gives the same through LangGraph as without it."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agentflow.compiler.engine import Outcome, Scope
from agentflow.compiler.graph import ENGINE, compiled
from agentflow.compiler.plan import PlanNode
from agentflow.compiler.steps import run_single
from tests.compiler.test_plan import plan_of
from tests.runtime.support import spec_of, transform


class Recorder:
    """An engine that notes what it is asked."""

    def __init__(self, fail_at: int | None) -> None:
        self.root = Scope("", {"nodes": {}})
        self.asked: list[tuple[str, int]] = []
        self._fail_at = fail_at

    def revived(self) -> None:
        return None

    async def run(self, node: PlanNode, iteration: int, scope: Scope, loops: Any) -> Outcome:
        self.asked.append((node.id, iteration))
        if len(self.asked) == self._fail_at:
            raise ValueError(node.id)
        return Outcome("c", tuple(edge.index for edge in node.outgoing))


async def _outcome(driving: Any) -> str:
    try:
        await driving
    except ValueError as error:
        return f"failed at {error}"
    return "done"


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 12), fail_at=st.none() | st.integers(1, 12))
def test_a_chain_is_driven_alike_with_and_without_pregel(length: int, fail_at: int | None):
    """The same nodes are asked for in the same order, and a failure stops both at the same place."""
    plan = plan_of(spec_of([transform(f"n{i}", i) for i in range(length)], [f"n{i}>n{i + 1}" for i in range(length - 1)]))
    alone, within = Recorder(fail_at), Recorder(fail_at)

    async def both() -> tuple[str, str]:
        pregel = compiled(plan).ainvoke({}, {"configurable": {ENGINE: within}})
        return await _outcome(run_single(plan, alone, alone.root)), await _outcome(pregel)

    first, second = asyncio.run(both())
    assert first == second
    assert alone.asked == within.asked
