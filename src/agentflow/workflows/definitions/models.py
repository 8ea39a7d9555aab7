"""Tables of stored workflows. Node and edge rows always equal the specification of the current version."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, Jsonb, JsonText, UtcTime

_PUBLIC = text("visibility = 'public'")


class WorkflowRow(Base, TenantOwned):
    """One stored workflow.

    ``visibility`` is private, organisation or public. A foreign one came as a file or from another organisation; ``confirmed`` is what it may use.
    """

    __tablename__ = "workflows"
    __table_args__ = (
        Index("ix_workflows_tenant_id_id", "tenant_id", "id"),
        Index("ix_workflows_tenant_id_name", "tenant_id", "name"),
        Index("ix_workflows_public", "id", sqlite_where=_PUBLIC, postgresql_where=_PUBLIC),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    owner_id: Mapped[str] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    tags: Mapped[Any] = mapped_column(JsonText)
    version: Mapped[int] = mapped_column(Integer)
    valid: Mapped[bool] = mapped_column(Boolean)
    retention: Mapped[Any | None] = mapped_column(JsonText)
    fork_from_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    visibility: Mapped[str] = mapped_column(Text, server_default="organisation")
    is_foreign: Mapped[bool] = mapped_column(Boolean, server_default=false())
    confirmed: Mapped[Any | None] = mapped_column(JsonText)


class WorkflowNodeRow(Base, TenantOwned):
    """One node of a workflow's current version."""

    __tablename__ = "workflow_nodes"

    workflow_id: Mapped[str] = mapped_column(Id, ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    node_id: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    type: Mapped[str] = mapped_column(Text)
    config: Mapped[Any] = mapped_column(Jsonb)


class WorkflowEdgeRow(Base, TenantOwned):
    """One edge of a workflow's current version."""

    __tablename__ = "workflow_edges"
    __table_args__ = (UniqueConstraint("workflow_id", "position"),)

    workflow_id: Mapped[str] = mapped_column(Id, ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    edge_id: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(Text)
    targets: Mapped[Any] = mapped_column(Jsonb)
