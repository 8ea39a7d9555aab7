"""What drives a plan, behind one function: LangGraph's Pregel loop, but for plans that leave it nothing to decide."""

from collections.abc import Callable, Mapping
from typing import Any

from agentflow.compiler.engine import Engine
from agentflow.compiler.graph import ENGINE, compiled, is_single, run_single, with_saver
from agentflow.compiler.plan import Plan
from agentflow.infra.db.group_commit import Statement
from agentflow.runtime.checkpoints.saver import AgentFlowSaver

Sink = Callable[[Statement, Mapping[str, Any]], None]


async def drive(plan: Plan, engine: Engine, saver: AgentFlowSaver, run_id: str, *, resume: bool, max_steps: int) -> None:
    """Run ``plan`` from its start, or from its last checkpoint, until nothing is left to do.

    Raises:
        Exception: whatever the engine raised to stop the graph.
    """
    if is_single(plan):
        await run_single(plan, engine)
        return
    graph = with_saver(compiled(plan), saver)
    config: Any = {"configurable": {"thread_id": run_id, ENGINE: engine}, "recursion_limit": 2 * max_steps + 10}
    # Durability "sync" orders checkpoints before the steps that follow them; waiting for the disk is the journal's business.
    await graph.ainvoke(None if resume else {}, config, durability="sync", output_keys=[])
