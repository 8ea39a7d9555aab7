"""The queries over secrets beside those of all things with a name; each is scoped to a tenant."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.db.repository import scoped
from agentflow.secrets.models import SecretRow


async def names(session: AsyncSession, tenant_id: str) -> frozenset[str]:
    """Return the names of all secrets of a tenant."""
    return frozenset((await session.scalars(scoped(SecretRow, tenant_id).with_only_columns(SecretRow.name))).all())


async def by_name(session: AsyncSession, tenant_id: str, wanted: Collection[str]) -> Sequence[SecretRow]:
    """Return those secrets of a tenant that have one of these names."""
    return (await session.scalars(scoped(SecretRow, tenant_id).where(SecretRow.name.in_(wanted)))).all()


async def touch(session: AsyncSession, tenant_id: str, ids: Collection[str], now: datetime, before: datetime) -> None:
    """Note that secrets were used, unless they were noted since ``before``."""
    stale = or_(SecretRow.last_used_at.is_(None), SecretRow.last_used_at < before)
    await session.execute(update(SecretRow).where(SecretRow.tenant_id == tenant_id, SecretRow.id.in_(ids), stale).values(last_used_at=now))
