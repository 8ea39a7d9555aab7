"""Whether a checkpoint says no more than the journal: only then may a run go on from it."""

from collections.abc import Collection, Mapping
from typing import Any

from agentflow.compiler.marks import is_final
from agentflow.compiler.steps import marks_of
from agentflow.runtime.execution.flow import recorded
from agentflow.runtime.records.records import NodeRecord


def is_covered(channels: Mapping[str, Any], memory: Collection[NodeRecord]) -> bool:
    """Tell whether every node that the channels of a checkpoint call through has a finished record that took the same ways."""
    finished = {(record.key, record.iteration): record for record in memory if record.is_final}
    for node_id, mark in marks_of(channels).items():
        if not is_final(mark):
            continue
        status, iteration, taken = mark
        record = finished.get((node_id, iteration))
        if record is None:
            return False
        outcome = recorded(record)
        if outcome.status != status or list(outcome.taken) != list(taken):
            return False
    return True
