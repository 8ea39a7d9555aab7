"""The table of the installation's own keys: every process of an installation has to sign alike."""

from datetime import datetime

from sqlalchemy import LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base
from agentflow.infra.db.types import UtcTime


class InstallationKeyRow(Base):
    """A key of this installation, by what it is for; sealed."""

    __tablename__ = "installation_keys"

    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
