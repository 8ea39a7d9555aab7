"""Tables of the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime

_UNSEALED = text("seq IS NULL")
_SEALED = text("seq IS NOT NULL")


class AuditRow(Base, TenantOwned):
    """One record. ``mac`` is made when it is written; ``seq`` and ``hash`` when it is sealed into its tenant's chain, moments later."""

    __tablename__ = "audit_records"
    __table_args__ = (
        # Partial: a record takes its place in it when it is sealed, in bulk, not when the change waits for it.
        Index("uq_audit_records_chain", "tenant_id", "seq", unique=True, sqlite_where=_SEALED, postgresql_where=_SEALED),
        Index("ix_audit_records_tenant_id_id", "tenant_id", "id"),
        Index("ix_audit_records_unsealed", "tenant_id", "id", sqlite_where=_UNSEALED, postgresql_where=_UNSEALED),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    seq: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(UtcTime)
    actor_id: Mapped[str | None] = mapped_column(Id)
    actor: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)
    resource_id: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    details: Mapped[Any] = mapped_column(JsonText)
    mac: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes | None] = mapped_column(LargeBinary)


class AuditHeadRow(Base, TenantOwned):
    """The end of a tenant's chain, signed; whoever lengthens the chain locks this row."""

    __tablename__ = "audit_heads"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(UtcTime)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class AuditFloorRow(Base, TenantOwned):
    """Where the chain of a tenant begins since what was before was deleted: number and link of the last record deleted, signed."""

    __tablename__ = "audit_floors"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(UtcTime)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class AuditAnchorRow(Base, TenantOwned):
    """What a chain was at some moment, signed; a copy goes to a file outside the database."""

    __tablename__ = "audit_anchors"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(UtcTime)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
