"""What is counted of runs."""

from prometheus_client import Counter, Histogram

from agentflow.infra.observability.metrics import SECONDS, bounded
from agentflow.runtime.records.records import RunRecord

_LONG = (*SECONDS, 300, 1_800, 7_200, 86_400)

ACCEPTED = bounded(Counter("agentflow_runs_accepted_total", "Runs accepted, by workflow.", ["workflow"]))
STARTED = Histogram("agentflow_run_queue_wait_seconds", "Time from accepting a run to its first node.", buckets=_LONG)
PARKED = bounded(Counter("agentflow_runs_parked_total", "Times that a run was put aside, by what it became.", ["status"]))
ENDED = bounded(Counter("agentflow_runs_ended_total", "Runs that ended, by how and by workflow.", ["status", "workflow"]))
RETRIES = bounded(
    Counter("agentflow_node_retries_total", "Attempts of nodes that failed and were followed by another, by error code.", ["code"])
)
TIMES = bounded(Histogram("agentflow_run_duration_seconds", "Time of a run from its first node to its end.", ["status"], buckets=_LONG))


def ended(run: RunRecord) -> None:
    """Count a run whose end is durable."""
    ENDED(run.status.value, run.workflow_name).inc()
    if run.started_at is not None and run.ended_at is not None:
        TIMES(run.status.value).observe((run.ended_at - run.started_at).total_seconds())
