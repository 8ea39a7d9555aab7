"""Runs and node runs as the runtime holds them in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from agentflow.compiler.formats import CURRENT
from agentflow.runtime.states import NodeStatus, RunStatus


@dataclass(slots=True)
class RunRecord:
    """One run; the fields are those of ``RunRow``."""

    id: str
    tenant_id: str
    user_id: str
    workflow_id: str | None
    workflow_version: int | None
    workflow_name: str
    spec_hash: str
    inputs: Any
    created_at: datetime
    deadline_at: datetime
    status: RunStatus = RunStatus.QUEUED
    outputs: Any = None
    inputs_ref: dict[str, Any] | None = None
    """Where the inputs lie when they are too large for their row; so too ``outputs_ref``, and those of node runs."""
    outputs_ref: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    lane: str | None = None
    priority: int = 0
    tags: list[str] = field(default_factory=list)
    parent_run_id: str | None = None
    parent_key: str | None = None
    depth: int = 0
    idempotency_key: str | None = None
    idempotency_hash: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested: bool = False
    attempts: int = 0
    lease_owner: str | None = None
    lease_until: datetime | None = None
    fence: int = 0
    tries: int = 0
    """Owners since a node last finished; one more than allowed, and the run is given up. ``attempts`` counts every owner."""
    progress: int = 0
    """How many node executions had finished when the tries were last counted."""
    concurrency_key: str = ""
    """What ``max_concurrency`` counts: runs of a tenant with the same key. Empty where nothing is limited."""
    max_concurrency: int | None = None
    signals: int = 0
    """How often something that it may wait for has happened; ``signals_seen`` is how much of that its last owner knew."""
    signals_seen: int = 0
    wake_at: datetime | None = None
    waiting_since: datetime | None = None
    paused_at: datetime | None = None
    """Since when nothing of it may begin, and who said so in ``paused_by``."""
    paused_by: str | None = None
    control: dict[str, Any] | None = None
    variables: dict[str, Any] | None = None
    """The tenant's variables that its specification reads, as they were when it was accepted; None where it reads none."""
    origin_run_id: str | None = None
    origin_kind: Literal["retry", "fork"] | None = None
    origin_checkpoint: int | None = None
    request_id: str | None = None
    """The request that asked for the run; of a child, the one that asked for its parent."""
    traceparent: str | None = None
    """The span that the run belongs below, in whatever process it is driven (W3C Trace Context)."""
    key_id: str | None = None
    """The API key that the run was started with, which bounds what it may use; None where a person did."""
    engine_format: int = CURRENT

    def log_fields(self) -> Mapping[str, Any]:
        """Return what every log line about the run carries; see ``infra.observability.context``."""
        return {
            "run_id": self.id,
            "tenant_id": self.tenant_id,
            "workflow": self.workflow_name,
            "request_id": self.request_id,
            "traceparent": self.traceparent,
        }


@dataclass(slots=True)
class NodeRecord:
    """One execution of one node; the fields are those of ``NodeRunRow``."""

    key: str
    iteration: int
    position: int
    type: str
    status: NodeStatus
    attempts: int = 0
    input: Any = None
    output: Any = None
    input_ref: dict[str, Any] | None = None
    output_ref: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    taken: list[Any] | None = None
    effect: str | None = None
    """The effect class where it turned out to be another than the node type's: ``once``."""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether the execution is through and must not be repeated."""
        return self.status in (NodeStatus.COMPLETED, NodeStatus.SKIPPED, NodeStatus.FAILED)
