"""The table of stored sources."""

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime


class SourceRow(Base, TenantOwned):
    """A source; its config names secrets and holds none."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    config: Mapped[Any] = mapped_column(JsonText)
    version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)
