"""The queries over secrets beside those of all things with a name; each is scoped to a tenant."""

from collections.abc import Collection, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.db.repository import scoped
from agentflow.secrets.models import SecretRow


async def names(session: AsyncSession, tenant_id: str) -> frozenset[str]:
    """Return the names of all secrets of a tenant."""
    return frozenset((await session.scalars(scoped(SecretRow, tenant_id).with_only_columns(SecretRow.name))).all())


async def by_name(session: AsyncSession, tenant_id: str, wanted: Collection[str]) -> Sequence[SecretRow]:
    """Return those secrets of a tenant that have one of these names."""
    return (await session.scalars(scoped(SecretRow, tenant_id).where(SecretRow.name.in_(wanted)))).all()
