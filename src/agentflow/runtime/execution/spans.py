"""The spans of the runtime: admission, drive, node, attempt. Each is one call that gives a shared nothing while tracing is off."""

from collections.abc import Mapping

from agentflow.compiler.plan import PlanNode
from agentflow.infra.observability import tracing
from agentflow.infra.observability.tracing import NO_SPAN, Span, SpanKind, Value
from agentflow.nodes.context import NodeContext
from agentflow.runtime.records.records import NodeRecord, RunRecord


def admission(run: RunRecord) -> Span:
    """Begin the span in which a run is made durable and brought to a worker; the run is stored as belonging below it."""
    if not tracing.is_on():
        return NO_SPAN
    return tracing.span(f"admit {run.workflow_name}", SpanKind.PRODUCER, _of_run(run))


def drive(run: RunRecord) -> Span:
    """Begin the span of one owner's drive of a run, in the trace that the run was accepted in."""
    if not tracing.is_on():
        return NO_SPAN
    return tracing.span(f"run {run.workflow_name}", SpanKind.CONSUMER, _of_run(run), parent=run.traceparent)


def ending(run: RunRecord) -> Mapping[str, Value | None]:
    """Return what is known of a run at the end of a drive."""
    return {"agentflow.run.status": run.status.value, "error.type": run.error["code"] if run.error else None}


def node(record: NodeRecord) -> Span:
    """Begin the span of one execution of a node, with all its attempts."""
    if not tracing.is_on():
        return NO_SPAN
    attributes: dict[str, Value | None] = {
        "agentflow.node.id": record.key,
        "agentflow.node.type": record.type,
        "agentflow.node.iteration": record.iteration,
    }
    return tracing.span(f"{record.type} {record.key}", attributes=attributes)


def attempt(node: PlanNode, context: NodeContext) -> Span:
    """Begin the span of one attempt of a node."""
    if not tracing.is_on():
        return NO_SPAN
    attributes: dict[str, Value | None] = {
        "agentflow.tenant.id": context.tenant_id,
        "agentflow.run.id": context.run_id,
        "agentflow.node.id": context.node_id,
        "agentflow.node.type": node.node.type,
        "agentflow.node.attempt": context.attempt,
    }
    return tracing.span(f"attempt {context.attempt}", attributes=attributes)


def _of_run(run: RunRecord) -> Mapping[str, Value | None]:
    return {
        "agentflow.run.id": run.id,
        "agentflow.run.attempt": run.attempts or None,
        "agentflow.run.parent_id": run.parent_run_id,
        "agentflow.tenant.id": run.tenant_id,
        "agentflow.workflow.name": run.workflow_name,
        "agentflow.workflow.id": run.workflow_id,
        "agentflow.workflow.version": run.workflow_version,
        "agentflow.request.id": run.request_id,
    }
