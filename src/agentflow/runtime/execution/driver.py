"""What drives a plan, behind one function: LangGraph's Pregel loop, but for plans that leave it nothing to decide.

LangGraph takes a second to import. It is loaded by the first plan that needs it, or before that by ``warm_up`` in the background.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from agentflow.compiler.engine import Engine
from agentflow.compiler.plan import Plan
from agentflow.compiler.steps import is_single, run_single
from agentflow.infra.db.group_commit import GroupCommitter, Statement
from agentflow.runtime.execution.coverage import is_covered
from agentflow.runtime.records.records import NodeRecord, RunRecord

if TYPE_CHECKING:
    from agentflow.infra.db.engine import Database
    from agentflow.runtime.checkpoints.hot import HotTier
    from agentflow.runtime.checkpoints.saver import AgentFlowSaver

Place = tuple[str, int]
"""Key and iteration of a node execution."""


class Rows(Protocol):
    """Makes the rows of a run durable, in order: its journal."""

    def add(self, statement: Statement, row: Mapping[str, Any]) -> None:
        """Take a row."""
        ...

    def after(self, action: Callable[[], None]) -> None:
        """Call ``action`` once the rows taken so far are durable."""
        ...


class Driver:
    """Drives plans; keeps their checkpoints."""

    def __init__(self, database: "Database", committer: GroupCommitter, max_steps: int, tier: "HotTier | None" = None) -> None:
        self._database = database
        self._committer = committer
        self._max_steps = max_steps
        self._tier = tier
        self._saver: AgentFlowSaver | None = None

    async def drive(
        self,
        plan: Plan,
        engine: Engine,
        run: RunRecord,
        rows: Rows,
        memory: Collection[NodeRecord] | None,
        begun: Iterable[Place] = (),
    ) -> None:
        """Run ``plan`` from its start, or from its last checkpoint, until nothing is left to do.

        Args:
            plan: what to run.
            engine: runs its nodes.
            run: whose plan it is.
            rows: makes checkpoints durable.
            memory: what the journal holds of a run that is taken up again; None for one that begins.
            begun: the executions that have begun: a stored graph does not come back by itself to those that waited.

        Raises:
            Exception: whatever the engine raised to stop the graph.
        """
        if is_single(plan):
            await run_single(plan, engine, engine.root)
            return
        if self._saver is None:
            await asyncio.to_thread(warm_up)  # not on the event loop, where every other run would wait for it
        from agentflow.compiler.graph import ENGINE, compiled, resume, with_saver

        saver = self._savers().for_run(run.tenant_id, rows.add, rows.after)
        graph = with_saver(compiled(plan), saver)
        config: Any = {"configurable": {"thread_id": run.id, ENGINE: engine}, "recursion_limit": 2 * self._max_steps + 10}
        begin: Any = {}
        if await saver.begin(run.id, None if memory is None else partial(is_covered, memory=memory)):
            begin = await resume(graph, config, plan, begun)
        try:
            # Durability "sync" orders checkpoints before the steps that follow them; waiting for the disk is the journal's business.
            await graph.ainvoke(begin, config, durability="sync", output_keys=[])
        finally:
            saver.close()

    def _savers(self) -> "AgentFlowSaver":
        if self._saver is None and self._tier is not None:
            from agentflow.runtime.checkpoints.tiered import TieredSaver

            self._saver = TieredSaver(self._database, self._committer, self._tier)
        elif self._saver is None:
            from agentflow.runtime.checkpoints.saver import AgentFlowSaver

            self._saver = AgentFlowSaver(self._database, self._committer)
        return self._saver


def warm_up() -> None:
    """Load LangGraph; takes a second, so call it where nobody waits."""
    import agentflow.compiler.graph
    import agentflow.runtime.checkpoints.saver  # noqa: F401 - loading is the purpose
