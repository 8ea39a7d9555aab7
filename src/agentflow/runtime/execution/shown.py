"""What templates and readers see of a run and its nodes."""

from typing import Any

from agentflow.compiler.plan import Plan, PlanNode
from agentflow.kit.clock import iso
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.spec.graph import EdgeKind
from agentflow.spec.model import END

_BESIDES = {EdgeKind.ERROR, EdgeKind.COMPENSATE}


def root_names(run: RunRecord, plan: Plan) -> dict[str, Any]:
    """Return what templates can name at the begin of a run."""
    # Inputs that the schema declares and the caller left out are known and null.
    declared = dict.fromkeys(plan.spec.inputs.get("properties", ()), None)
    return {
        "inputs": {**declared, **run.inputs} if isinstance(run.inputs, dict) else run.inputs,
        "nodes": {node.id: node.empty for node in plan.nodes.values()},
        "vars": run.variables or {},
        "run": {"id": run.id, "started_at": iso(run.started_at or run.created_at)},
    }


def leads_on(node: PlanNode) -> bool:
    """Tell whether the flow goes on behind a node."""
    return any(edge.target != END and edge.loop is None and edge.kind not in _BESIDES for edge in node.outgoing)


def view(node: PlanNode, output: Any) -> Any:
    """Return an output as templates see it: a node whose error may be asked for has one, null, when it succeeded."""
    if node.node.on_error is not None and isinstance(output, dict) and "error" not in output:
        return {**output, "error": None}
    return output


def duration_ms(record: NodeRecord) -> float | None:
    """Return how long an execution took, in milliseconds."""
    if record.started_at is None or record.ended_at is None:
        return None
    return round((record.ended_at - record.started_at).total_seconds() * 1000, 3)


def too_many_steps(limit: int, key: str) -> dict[str, Any]:
    """Return the error of a run that makes more node executions than it may."""
    return {
        "code": "LIMIT_EXCEEDED",
        "message": f"The run made more than {limit} node executions.",
        "node_id": key,
        "attempt": None,
        "hint": "Raise limits.max_steps (or AGENTFLOW_MAX_RUN_STEPS), or bound the loops and maps.",
        "details": {"limit": "max_steps"},
    }
