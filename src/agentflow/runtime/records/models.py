"""Tables of the runtime: runs, executions of nodes, events, pinned specifications, and cached node outputs."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, SmallInteger, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime


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
    error: Mapped[Any | None] = mapped_column(JsonText)
    usage: Mapped[Any | None] = mapped_column(JsonText)
    taken: Mapped[Any | None] = mapped_column(JsonText)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class RunSpecRow(Base, TenantOwned):
    """The specification of runs that have no stored workflow, once per content."""

    __tablename__ = "run_specs"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    spec_hash: Mapped[str] = mapped_column(Text, primary_key=True)
    spec: Mapped[Any] = mapped_column(JsonText)


class NodeCacheRow(Base, TenantOwned):
    """The output of a node with a ``cache`` policy, by its type and rendered config."""

    __tablename__ = "node_cache"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    output: Mapped[Any | None] = mapped_column(JsonText)
    expires_at: Mapped[float] = mapped_column(Float)


class EventPageRow(Base, TenantOwned):
    """Consecutive events of a run, as they were committed together: one row instead of one each."""

    __tablename__ = "run_events"
    __table_args__ = ({"sqlite_with_rowid": False},)

    run_id: Mapped[str] = mapped_column(Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    first_seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    last_seq: Mapped[int] = mapped_column(Integer)
    events: Mapped[Any] = mapped_column(JsonText)
