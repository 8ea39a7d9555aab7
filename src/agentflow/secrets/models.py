"""The table of secrets."""

from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base
from agentflow.infra.db.types import Id, UtcTime
from agentflow.infra.named.models import NamedRow


class SecretRow(Base, NamedRow):
    """A secret; ``sealed`` opens only with the tenant's key, in this row, at this version."""

    __tablename__ = "secrets"

    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[str] = mapped_column(Id)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcTime)
