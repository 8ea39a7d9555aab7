"""Tables of keys. Neither holds a key in the clear."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, UtcTime


class MasterKeyRow(Base):
    """A master key that data keys are wrapped with, by its name; the key itself is elsewhere."""

    __tablename__ = "master_keys"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class DataKeyRow(Base, TenantOwned):
    """The key of a tenant for one purpose, wrapped with a master key."""

    __tablename__ = "data_keys"
    __table_args__ = (Index("ix_data_keys_master_id", "master_id"),)

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    master_id: Mapped[str] = mapped_column(Text, ForeignKey("master_keys.id"))
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
