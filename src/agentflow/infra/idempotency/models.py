"""The table of remembered requests."""

from datetime import datetime
from typing import Any

from sqlalchemy import Text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime


class IdempotencyRow(Base, TenantOwned):
    """The answer that a request with an ``Idempotency-Key`` was given."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    body_hash: Mapped[str] = mapped_column(Text)
    answer: Mapped[Any] = mapped_column(JsonText)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
