"""Tables of the runtime: runs, executions of nodes, events, what runs wait for, pinned specifications, and cached node outputs."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime

_SIGNALLED = (
    "status IN ('waiting', 'needs_attention') AND (signals > signals_seen OR (status = 'needs_attention' AND waiting_since IS NULL))"
)


class RunRow(Base, TenantOwned):
    """One run: what was asked, where it is, who owns it, how it ended."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_tenant_id_id", "tenant_id", "id"),
        Index("ix_runs_tenant_id_workflow_id_id", "tenant_id", "workflow_id", "id"),
        # What the sweeper reads: only runs that still have something to do.
        Index(
            "ix_runs_live",
            "status",
            "lease_until",
            sqlite_where=text("status IN ('queued', 'running')"),
            postgresql_where=text("status IN ('queued', 'running')"),
        ),
        # Runs that wait: those whose time has come, and those that were answered while they were being parked (nearly always none).
        Index(
            "ix_runs_parked",
            "wake_at",
            sqlite_where=text("status IN ('waiting', 'needs_attention')"),
            postgresql_where=text("status IN ('waiting', 'needs_attention')"),
        ),
        Index(
            "ix_runs_signalled",
            "signals",
            sqlite_where=text(_SIGNALLED),
            postgresql_where=text(_SIGNALLED),
        ),
        # What a worker with a free place reads: each tenant's and limited workflow's runs in the order in which they start.
        Index(
            "ix_runs_unowned",
            "tenant_id",
            "concurrency_key",
            text("priority DESC"),
            "id",
            sqlite_where=text("status = 'queued' AND lease_owner IS NULL"),
            postgresql_where=text("status = 'queued' AND lease_owner IS NULL"),
        ),
        Index(
            "ix_runs_dead_letter",
            "tenant_id",
            "id",
            sqlite_where=text("dead_letter_at IS NOT NULL"),
            postgresql_where=text("dead_letter_at IS NOT NULL"),
        ),
        Index(
            "uq_runs_idempotency",
            "tenant_id",
            "idempotency_key",
            unique=True,
            sqlite_where=text("idempotency_key IS NOT NULL"),
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "uq_runs_parent",
            "parent_run_id",
            "parent_key",
            unique=True,
            sqlite_where=text("parent_run_id IS NOT NULL"),
            postgresql_where=text("parent_run_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id)
    workflow_id: Mapped[str | None] = mapped_column(Id)
    workflow_version: Mapped[int | None] = mapped_column(Integer)
    workflow_name: Mapped[str] = mapped_column(Text)
    spec_hash: Mapped[str] = mapped_column(Text)
    engine_format: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(Text)
    inputs: Mapped[Any] = mapped_column(JsonText)
    outputs: Mapped[Any | None] = mapped_column(JsonText)
    inputs_ref: Mapped[Any | None] = mapped_column(JsonText)
    outputs_ref: Mapped[Any | None] = mapped_column(JsonText)
    error: Mapped[Any | None] = mapped_column(JsonText)
    usage: Mapped[Any | None] = mapped_column(JsonText)
    lane: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(SmallInteger, default=0)
    tags: Mapped[Any | None] = mapped_column(JsonText)
    parent_run_id: Mapped[str | None] = mapped_column(Id)
    parent_key: Mapped[str | None] = mapped_column(Text)
    depth: Mapped[int] = mapped_column(SmallInteger, default=0)
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    idempotency_hash: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)
    deadline_at: Mapped[datetime] = mapped_column(UtcTime)
    cancel_requested: Mapped[bool] = mapped_column(Boolean, default=False)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    lease_owner: Mapped[str | None] = mapped_column(Id)
    lease_until: Mapped[datetime | None] = mapped_column(UtcTime)
    fence: Mapped[int] = mapped_column(Integer, default=0)
    tries: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    progress: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    concurrency_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    max_concurrency: Mapped[int | None] = mapped_column(Integer)
    dead_letter_at: Mapped[datetime | None] = mapped_column(UtcTime)
    signals: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    signals_seen: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    wake_at: Mapped[datetime | None] = mapped_column(UtcTime)
    waiting_since: Mapped[datetime | None] = mapped_column(UtcTime)
    paused_at: Mapped[datetime | None] = mapped_column(UtcTime)
    paused_by: Mapped[str | None] = mapped_column(Id)
    control: Mapped[Any | None] = mapped_column(JsonText)
    variables: Mapped[Any | None] = mapped_column(JsonText)
    origin_run_id: Mapped[str | None] = mapped_column(Id)
    origin_kind: Mapped[str | None] = mapped_column(Text)
    origin_checkpoint: Mapped[int | None] = mapped_column(Integer)
    request_id: Mapped[str | None] = mapped_column(Text)
    traceparent: Mapped[str | None] = mapped_column(Text)
    key_id: Mapped[str | None] = mapped_column(Id)


class NodeRunRow(Base, TenantOwned):
    """One execution of one node: the memory that keeps a finished node from running again."""

    __tablename__ = "node_runs"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    iteration: Mapped[int] = mapped_column(Integer, primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    type: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger)
    input: Mapped[Any | None] = mapped_column(JsonText)
    output: Mapped[Any | None] = mapped_column(JsonText)
    input_ref: Mapped[Any | None] = mapped_column(JsonText)
    output_ref: Mapped[Any | None] = mapped_column(JsonText)
    error: Mapped[Any | None] = mapped_column(JsonText)
    usage: Mapped[Any | None] = mapped_column(JsonText)
    taken: Mapped[Any | None] = mapped_column(JsonText)
    effect: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class RunSpecRow(Base, TenantOwned):
    """The specification of runs that have no stored workflow, once per content."""

    __tablename__ = "run_specs"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    spec_hash: Mapped[str] = mapped_column(Text, primary_key=True)
    spec: Mapped[Any] = mapped_column(JsonText)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)


class NodeCacheRow(Base, TenantOwned):
    """The output of a node with a ``cache`` policy, by its type and rendered config."""

    __tablename__ = "node_cache"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    output: Mapped[Any | None] = mapped_column(JsonText)
    output_ref: Mapped[Any | None] = mapped_column(JsonText)
    expires_at: Mapped[float] = mapped_column(Float)


class EventPageRow(Base, TenantOwned):
    """Consecutive events of a run, as they were committed together: one row instead of one each."""

    __tablename__ = "run_events"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    first_seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    last_seq: Mapped[int] = mapped_column(Integer)
    events: Mapped[Any] = mapped_column(JsonText)


class InterruptRow(Base, TenantOwned):
    """What a run waits for: an answer of a person, an event, leave to go on at a breakpoint, or word on an unknown outcome."""

    __tablename__ = "interrupts"
    __table_args__ = (
        Index("uq_interrupts_place", "run_id", "key", "iteration", "kind", "round", unique=True),
        Index(
            "ix_interrupts_open",
            "tenant_id",
            "id",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        Index(
            "ix_interrupts_event",
            "tenant_id",
            "event_name",
            "event_key",
            sqlite_where=text("status = 'open' AND event_name IS NOT NULL"),
            postgresql_where=text("status = 'open' AND event_name IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Text)
    iteration: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(Text)
    round: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(Text)
    request: Mapped[Any] = mapped_column(JsonText)
    assignees: Mapped[Any | None] = mapped_column(JsonText)
    event_name: Mapped[str | None] = mapped_column(Text)
    event_key: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    escalate_at: Mapped[datetime | None] = mapped_column(UtcTime)
    answer: Mapped[Any | None] = mapped_column(JsonText)
    answered_by: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(UtcTime)
    announced: Mapped[bool] = mapped_column(Boolean, default=False)
    changes: Mapped[Any | None] = mapped_column(JsonText)
    told: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class InterruptCommentRow(Base, TenantOwned):
    """What people say to one another about a question before it is answered."""

    __tablename__ = "interrupt_comments"
    __table_args__ = (Index("ix_interrupt_comments_interrupt_id", "interrupt_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    interrupt_id: Mapped[str] = mapped_column(Id, ForeignKey("interrupts.id", ondelete="CASCADE"))
    author: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class RunSignalRow(Base, TenantOwned):
    """An event that was sent to one run; it stays until a node of the run takes it."""

    __tablename__ = "run_signals"
    __table_args__ = (Index("ix_run_signals_run_id", "run_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    data: Mapped[Any | None] = mapped_column(JsonText)
    sent_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    taken_by: Mapped[str | None] = mapped_column(Id)
