"""Runs and node runs as the runtime holds them in memory."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agentflow.runtime.states import NodeStatus, RunStatus

ENGINE_FORMAT = 1
"""Version of how plans number their ways and keys; a run is finished by the format it began with."""


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
    engine_format: int = ENGINE_FORMAT


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
    error: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    taken: list[Any] | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether the execution is through and must not be repeated."""
        return self.status in (NodeStatus.COMPLETED, NodeStatus.SKIPPED, NodeStatus.FAILED)
