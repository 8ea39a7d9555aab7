"""The table of versions."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime


class VersionRow(Base, TenantOwned):
    """One version of a workflow; never changed once written."""

    __tablename__ = "workflow_versions"

    workflow_id: Mapped[str] = mapped_column(Id, ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    spec: Mapped[Any] = mapped_column(JsonText)
    spec_hash: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
