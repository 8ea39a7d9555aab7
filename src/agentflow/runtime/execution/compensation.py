"""Undoing what a failed run has done: the nodes that ``compensate`` names, for the executions that completed, the last one first (a saga)."""

from typing import TYPE_CHECKING

from agentflow.compiler.engine import Scope
from agentflow.compiler.plan import Plan
from agentflow.runtime.execution.failures import RunFailed
from agentflow.runtime.records.records import NodeRecord
from agentflow.runtime.states import NodeStatus

if TYPE_CHECKING:
    from agentflow.runtime.execution.node_runner import NodeRunner


async def compensate(plan: Plan, runner: "NodeRunner", failure: RunFailed) -> None:
    """Run the compensations of a failed run; what came of them is added to the run's error.

    Each is an execution like any other, with its own record, retries and effect class: a crash in the middle repeats none that is
    through. One that fails does not keep the others from running. When one waits, ``runner.waits`` holds it.
    """
    done, failed = [], []
    for record in _undoable(plan, runner):
        undoing = plan.nodes[plan.nodes[record.key].node.compensate or ""]
        key = f"{undoing.id}[{record.key}]"
        names = {**runner.root.names, "nodes": {**runner.root.nodes, record.key: record.output}}
        try:
            outcome = await runner.run(undoing, record.iteration, Scope("", names, alias=key), {})
        except RunFailed:
            failed.append(key)
        else:
            if outcome is not None:
                done.append(key)
    failure.error["details"] = {**failure.error.get("details", {}), "compensated": done, "not_compensated": failed}


def _undoable(plan: Plan, runner: "NodeRunner") -> list[NodeRecord]:
    """Return the executions that completed and name what undoes them, the last to end first."""
    found = [
        record
        for record in runner.memory
        if record.status is NodeStatus.COMPLETED and record.key in plan.nodes and plan.nodes[record.key].node.compensate is not None
    ]
    return sorted(found, key=lambda record: (record.ended_at, record.position), reverse=True)
