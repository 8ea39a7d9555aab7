"""From records to what crosses the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.runs.schemas import LargeValue, NodeRun, Run, RunError, UsageTotals
from agentflow.runtime.values.large import NODE_VALUES, RUN_VALUES, link


def to_run(record: RunRecord) -> Run:
    """Return a run as the outside sees it."""
    return Run.model_construct(
        id=record.id,
        workflow_id=record.workflow_id,
        workflow_version=record.workflow_version,
        workflow_name=record.workflow_name,
        status=record.status,
        inputs=record.inputs,
        outputs=record.outputs,
        large_values=_large(record, RUN_VALUES),
        error=_error(record.error),
        usage=_usage(record.usage),
        cost_usd=record.usage["cost_usd"] if record.usage else 0.0,
        lane=record.lane,
        priority=record.priority,
        tags=record.tags,
        parent_run_id=record.parent_run_id,
        origin_run_id=record.origin_run_id,
        origin_kind=record.origin_kind,
        origin_checkpoint=record.origin_checkpoint,
        attempts=record.attempts,
        paused_at=record.paused_at,
        paused_by=record.paused_by,
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        duration_ms=_duration_ms(record.started_at, record.ended_at),
    )


def to_node_run(record: NodeRecord, static_input: Any) -> NodeRun:
    """Return a node run as the outside sees it; ``static_input`` is its config where nothing in it rendered."""
    return NodeRun.model_construct(
        node_id=record.key,
        type=record.type,
        iteration=record.iteration,
        execution_order=record.position,
        status=record.status,
        attempts=record.attempts,
        input=static_input if record.input is None and record.input_ref is None else record.input,
        output=record.output,
        large_values=_large(record, NODE_VALUES),
        error=_error(record.error),
        usage=_usage(record.usage),
        cost_usd=record.usage["cost_usd"] if record.usage else 0.0,
        started_at=record.started_at,
        ended_at=record.ended_at,
        duration_ms=_duration_ms(record.started_at, record.ended_at),
    )


def _large(record: RunRecord | NodeRecord, names: Sequence[str]) -> dict[str, LargeValue]:
    """Return links to the values that were left where they are."""
    found: dict[str, LargeValue] = {}
    for name in names:
        reference = getattr(record, f"{name}_ref")
        if reference is not None and getattr(record, name) is None:
            found[name] = LargeValue.model_construct(**link(reference))
    return found or _NONE_LARGE


def _error(stored: Mapping[str, Any] | None) -> RunError | None:
    return None if stored is None else RunError.model_construct(**stored)


def _usage(stored: Mapping[str, Any] | None) -> UsageTotals:
    if not stored:
        return _NO_USAGE
    tokens_in, tokens_out = stored["input_tokens"], stored["output_tokens"]
    return UsageTotals.model_construct(input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=tokens_in + tokens_out)


_NO_USAGE = UsageTotals()
_NONE_LARGE: dict[str, LargeValue] = {}


def _duration_ms(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else round((end - start).total_seconds() * 1000, 3)
