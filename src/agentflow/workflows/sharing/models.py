"""The table of links."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, UtcTime


class LinkRow(Base, TenantOwned):
    """A link to a workflow: whoever has its secret sees the workflow, and a member may take on its role. Only a hash is kept."""

    __tablename__ = "workflow_links"
    __table_args__ = (
        Index("ix_workflow_links_workflow_id", "tenant_id", "workflow_id", "id"),
        Index("ix_workflow_links_of", "workflow_id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    workflow_id: Mapped[str] = mapped_column(Id, ForeignKey("workflows.id", ondelete="CASCADE"))
    secret_hash: Mapped[str] = mapped_column(Text, unique=True)
    role: Mapped[str] = mapped_column(Text)
    uses: Mapped[int] = mapped_column(Integer)
    max_uses: Mapped[int | None] = mapped_column(Integer)
    created_by: Mapped[str] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)
