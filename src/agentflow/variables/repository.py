"""The queries over variables beside those of all things with a name; each is scoped to a tenant."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.db.repository import scoped
from agentflow.variables.models import VariableRow


async def names(session: AsyncSession, tenant_id: str) -> frozenset[str]:
    """Return the names of all variables of a tenant."""
    return frozenset((await session.scalars(scoped(VariableRow, tenant_id).with_only_columns(VariableRow.name))).all())


async def values(session: AsyncSession, tenant_id: str, wanted: Collection[str] | None) -> dict[str, Any]:
    """Return the values of the variables that there are among ``wanted``, of all where that is None."""
    query = scoped(VariableRow, tenant_id)
    if wanted is not None:
        query = query.where(VariableRow.name.in_(wanted))
    return {row.name: row.value["value"] for row in (await session.scalars(query)).all()}
