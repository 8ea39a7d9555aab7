"""What a new run takes over from another one: which executions stay as they were, and which are made anew."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agentflow.compiler.engine import node_of
from agentflow.compiler.plan import Plan
from agentflow.errors import Conflict, Invalid
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.states import NodeStatus, RunStatus


class RunNotRetryable(Conflict):
    """The run has not ended, or it succeeded."""

    code, title = "RUN_NOT_RETRYABLE", "Nothing to retry"


def kept(records: Iterable[NodeRecord]) -> list[NodeRecord]:
    """Return the executions that a new run need not repeat: those that led on.

    A failure that nothing took over is tried again, and a node on a branch that was not taken is decided anew. What they used is not
    counted twice, and their large values become the new run's own.
    """
    return [
        replace(record, usage=None, input_ref=None, output_ref=None)
        for record in records
        if record.status is NodeStatus.COMPLETED or (record.taken is not None and record.taken[0])
    ]


def retried(run: RunRecord, plan: Plan, records: Iterable[NodeRecord], from_node: str | None) -> list[NodeRecord]:
    """Return what a retry takes over; ``from_node`` is made anew with all that followed it.

    Raises:
        RunNotRetryable: the run has not ended, or it succeeded and no node is named.
        Invalid: the workflow has no such node, or it did not run.
    """
    if not run.status.is_terminal:
        hint = "Answer it with POST /runs/{id}/interrupt." if run.status is RunStatus.NEEDS_ATTENTION else "Wait for its end, or cancel it."
        raise RunNotRetryable(f"Run {run.id} is {run.status}.", hint=hint)
    if from_node is None:
        if run.status is RunStatus.SUCCEEDED:
            raise RunNotRetryable(f"Run {run.id} succeeded.", hint="Name the node to begin from in from_node, or start a new run.")
        return kept(records)
    stays = kept(records)
    begun = [record.position for record in stays if node_of(record.key) == from_node]
    _known(plan, from_node)
    if not begun:
        return stays
    return _without(stays, {from_node, *_following(plan, from_node)}, min(begun) - 1)


def patched(plan: Plan, records: Iterable[NodeRecord], outputs: Mapping[str, Any]) -> list[NodeRecord]:
    """Return what a fork takes over, with the outputs of some nodes changed; what followed those is made anew.

    Raises:
        Invalid: the workflow has no such node, or it had not ended.
    """
    stays = kept(records)
    for node_id, output in outputs.items():
        _known(plan, node_id)
        last = max((record for record in stays if record.key == node_id), key=lambda record: record.iteration, default=None)
        if last is None:
            raise Invalid(
                f"Node {node_id} had not ended at this checkpoint, so it has no output to change.",
                hint="Choose a later checkpoint, or give it under pinned.",
            )
        stays = _without(stays, _following(plan, node_id) | {node_id}, last.position)
        changed = replace(last, status=NodeStatus.COMPLETED, output=output, error=None, taken=None)
        stays = [changed if record is last else record for record in stays]
    return stays


def _known(plan: Plan, node_id: str) -> None:
    if node_id not in plan.nodes:
        raise Invalid(f"The workflow has no node {node_id}.", hint=f"Its nodes are {', '.join(plan.nodes)}.")


def _without(records: list[NodeRecord], nodes: Iterable[str], after: int) -> list[NodeRecord]:
    """Leave out the executions of ``nodes`` that began behind the position ``after``."""
    gone = frozenset(nodes)
    return [record for record in records if record.position <= after or node_of(record.key) not in gone]


def _following(plan: Plan, node_id: str) -> set[str]:
    """Return every node on a way that begins at ``node_id``."""
    found: set[str] = set()
    ahead = [node_id]
    while ahead:
        for edge in plan.nodes[ahead.pop()].outgoing:
            if edge.target in plan.nodes and edge.target not in found:
                found.add(edge.target)
                ahead.append(edge.target)
    return found
