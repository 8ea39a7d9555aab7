"""What drives a plan, behind one function: LangGraph's Pregel loop, but for plans that leave it nothing to decide.

LangGraph takes a second to import. It is loaded by the first plan that needs it, or before that by ``warm_up`` in the background.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agentflow.compiler.engine import Engine
from agentflow.compiler.plan import Plan
from agentflow.compiler.steps import is_single, run_single
from agentflow.infra.db.group_commit import GroupCommitter, Statement

if TYPE_CHECKING:
    from agentflow.infra.db.engine import Database
    from agentflow.runtime.checkpoints.saver import AgentFlowSaver

Sink = Callable[[Statement, Mapping[str, Any]], None]


class Driver:
    """Drives plans; keeps their checkpoints."""

    def __init__(self, database: "Database", committer: GroupCommitter, max_steps: int) -> None:
        self._database = database
        self._committer = committer
        self._max_steps = max_steps
        self._saver: AgentFlowSaver | None = None

    async def drive(self, plan: Plan, engine: Engine, tenant_id: str, run_id: str, sink: Sink, *, fresh: bool) -> None:
        """Run ``plan`` from its start, or from its last checkpoint, until nothing is left to do; checkpoint rows go to ``sink``.

        Raises:
            Exception: whatever the engine raised to stop the graph.
        """
        if is_single(plan):
            await run_single(plan, engine, engine.root)
            return
        if self._saver is None:
            await asyncio.to_thread(warm_up)  # not on the event loop, where every other run would wait for it
        from agentflow.compiler.graph import ENGINE, compiled, with_saver

        saver = self._savers().for_run(tenant_id, sink)
        resume = not fresh and await saver.has_checkpoint(run_id)
        config: Any = {"configurable": {"thread_id": run_id, ENGINE: engine}, "recursion_limit": 2 * self._max_steps + 10}
        # Durability "sync" orders checkpoints before the steps that follow them; waiting for the disk is the journal's business.
        await with_saver(compiled(plan), saver).ainvoke(None if resume else {}, config, durability="sync", output_keys=[])

    def _savers(self) -> "AgentFlowSaver":
        if self._saver is None:
            from agentflow.runtime.checkpoints.saver import AgentFlowSaver

            self._saver = AgentFlowSaver(self._database, self._committer)
        return self._saver


def warm_up() -> None:
    """Load LangGraph; takes a second, so call it where nobody waits."""
    import agentflow.compiler.graph
    import agentflow.runtime.checkpoints.saver  # noqa: F401 - loading is the purpose
