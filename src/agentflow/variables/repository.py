"""Every query over variables; each is scoped to a tenant."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.db.pages import page_by
from agentflow.infra.db.repository import scoped
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.variables.errors import VariableNotFound
from agentflow.variables.models import VariableRow


async def get(session: AsyncSession, subject: Subject, ref: str, *, lock: bool = False) -> VariableRow:
    """Return a variable by id or name; with ``lock`` its row is held until the transaction ends.

    Raises:
        VariableNotFound: there is none.
    """
    by = VariableRow.id == ref if is_id(ref) else VariableRow.name == ref
    query = scoped(VariableRow, subject.tenant_id).where(by)
    row = (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if row is None:
        raise VariableNotFound(f"There is no variable {ref[:100]}.", hint="GET /api/v1/variables lists them; POST there stores one.")
    return row


async def list_page(session: AsyncSession, subject: Subject, page: PageRequest) -> Page[VariableRow]:
    """Return one page of variables by name.

    Raises:
        Malformed: unknown sort field, or a cursor of another list.
    """
    return await page_by(session, scoped(VariableRow, subject.tenant_id), VariableRow.name, page)


async def names(session: AsyncSession, tenant_id: str) -> frozenset[str]:
    """Return the names of all variables of a tenant."""
    return frozenset((await session.scalars(scoped(VariableRow, tenant_id).with_only_columns(VariableRow.name))).all())


async def values(session: AsyncSession, tenant_id: str, wanted: Collection[str] | None) -> dict[str, Any]:
    """Return the values of the variables that there are among ``wanted``, of all where that is None."""
    query = scoped(VariableRow, tenant_id)
    if wanted is not None:
        query = query.where(VariableRow.name.in_(wanted))
    return {row.name: row.value["value"] for row in (await session.scalars(query)).all()}


async def create(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a variable."""
    await session.execute(insert(VariableRow).values(row))


async def change(session: AsyncSession, subject: Subject, variable_id: str, changed: Mapping[str, Any]) -> None:
    """Change a variable."""
    mine = (VariableRow.tenant_id == subject.tenant_id, VariableRow.id == variable_id)
    await session.execute(update(VariableRow).where(*mine).values(changed))


async def remove(session: AsyncSession, subject: Subject, variable_id: str) -> None:
    """Delete a variable."""
    await session.execute(delete(VariableRow).where(VariableRow.tenant_id == subject.tenant_id, VariableRow.id == variable_id))
