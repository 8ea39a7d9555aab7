"""Tables of what organisations use of models, where they may not use as much as they like."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, UtcTime


class TokenUseRow(Base, TenantOwned):
    """Tokens that an organisation with a quota used on one day; ``day`` counts from 1 January 1970, in UTC."""

    __tablename__ = "token_uses"

    tenant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    day: Mapped[int] = mapped_column(Integer, primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)


class TokenHoldRow(Base, TenantOwned):
    """Tokens kept for a call that is under way; after ``expires_at`` its process counts as dead."""

    __tablename__ = "token_holds"
    __table_args__ = (Index("ix_token_holds_tenant_id", "tenant_id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
