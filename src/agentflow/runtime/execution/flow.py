"""Which ways a node takes once it is through, and what comes by them."""

from collections.abc import Mapping
from typing import Any

from agentflow.compiler import marks
from agentflow.compiler.engine import Outcome, Scope
from agentflow.compiler.plan import Plan, PlanEdge, PlanNode
from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig
from agentflow.nodes.context import Part
from agentflow.runtime.execution.shown import leads_on
from agentflow.runtime.records.records import NodeRecord
from agentflow.runtime.states import NodeStatus
from agentflow.spec.expressions import Renderer
from agentflow.spec.graph import EdgeKind

_MARKS = {NodeStatus.COMPLETED: marks.COMPLETED, NodeStatus.SKIPPED: marks.SKIPPED, NodeStatus.FAILED: marks.FAILED}


def recorded(record: NodeRecord) -> Outcome:
    """Return the outcome that a finished execution had."""
    ways, loop = record.taken or ([], None)
    return Outcome(_MARKS[record.status], tuple(ways), loop)


def after_success(
    node: PlanNode, config: NodeConfig, output: Any, names: Mapping[str, Any], loops: Mapping[int, int], renderer: Renderer
) -> Outcome:
    """Decide the ways of a node that completed; a way back that is taken goes before all others.

    Raises:
        NodeError: ``LOOP_EXHAUSTED``.
        ExpressionError: a condition cannot be evaluated.
    """
    chosen = node.kind.chosen(config, output) if any(edge.kind is EdgeKind.ROUTE for edge in node.outgoing) else frozenset()
    for edge in node.outgoing:
        if edge.loop is not None and _holds(edge, chosen, names, renderer) and _may_loop(edge, loops):
            return Outcome(marks.COMPLETED, (), edge.index)
    ways = tuple(edge.index for edge in node.outgoing if edge.loop is None and _holds(edge, chosen, names, renderer))
    return Outcome(marks.COMPLETED, ways)


def passed_by(node: PlanNode) -> Outcome:
    """Return the outcome of a node whose ``when`` was not true: the run goes on behind it by its unconditional ways."""
    ways = (edge.index for edge in node.outgoing if edge.kind is EdgeKind.EDGE and edge.loop is None and edge.condition is None)
    return Outcome(marks.SKIPPED, tuple(ways))


def after_failure(node: PlanNode) -> Outcome | None:
    """Return the outcome of a node that failed for good, or None when nothing takes over."""
    ways = tuple(edge.index for edge in node.outgoing if edge.kind is EdgeKind.ERROR)
    return Outcome(marks.FAILED, ways) if ways else None


def _holds(edge: PlanEdge, chosen: frozenset[str], names: Mapping[str, Any], renderer: Renderer) -> bool:
    if edge.kind in {EdgeKind.ERROR, EdgeKind.COMPENSATE} or (edge.kind is EdgeKind.ROUTE and edge.target not in chosen):
        return False
    return edge.condition is None or renderer.test(edge.condition, names)


def _may_loop(edge: PlanEdge, loops: Mapping[int, int]) -> bool:
    assert edge.loop is not None  # noqa: S101 - asked of ways back only
    if loops.get(edge.index, 0) < edge.loop.max_iterations:
        return True
    if edge.loop.on_exhausted == "continue":
        return False
    raise NodeError(
        f"The loop from {edge.source} to {edge.target} was followed {edge.loop.max_iterations} times and would go on.",
        error_code="LOOP_EXHAUSTED",
        hint='Raise max_iterations, or set "on_exhausted": "continue" to leave by the other edges.',
        details={"max_iterations": edge.loop.max_iterations},
    )


def parts(node: PlanNode, scope: Scope, latest: Mapping[str, NodeRecord]) -> list[Part]:
    """Return what came to a node from each node before it; ``latest`` holds the last execution by key."""
    found: dict[str, Part] = {}
    for edge in node.incoming:
        record = latest.get(scope.key(edge.source))
        arrived = record is not None and record.is_final and edge.index in recorded(record).taken
        if record is None or not arrived:
            found.setdefault(edge.source, Part(edge.source, "skipped", None))
        elif record.status is NodeStatus.COMPLETED:
            found[edge.source] = Part(edge.source, "completed", record.output)
        else:
            found[edge.source] = Part(edge.source, "failed" if record.status is NodeStatus.FAILED else "skipped", None)
    return list(found.values())


def closing_outputs(plan: Plan, latest: Mapping[str, NodeRecord]) -> Any:
    """Return the result of a run whose specification names no ``outputs``.

    That is what the last ``output`` node gave; without one, what the node at the end gave, or by id what the nodes at the ends gave.
    """
    done = [record for key, record in latest.items() if key in plan.nodes and record.status is NodeStatus.COMPLETED]
    done.sort(key=lambda record: record.position)
    for record in reversed(done):
        if record.type == "output":
            return record.output
    ends = [record for record in done if not leads_on(plan.nodes[record.key])]
    return ends[0].output if len(ends) == 1 else {record.key: record.output for record in ends}
