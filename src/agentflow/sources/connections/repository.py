"""Every query over stored sources; each is scoped to a tenant."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, delete, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.permissions import Permission
from agentflow.identity.subject import ResourceKind, Subject
from agentflow.infra.db.pages import page_by
from agentflow.infra.db.repository import scoped
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.sources.connections.errors import SourceNotFound
from agentflow.sources.connections.models import SourceRow


async def get(
    session: AsyncSession, subject: Subject, ref: str, *, lock: bool = False, needs: Permission = Permission.SOURCES_READ
) -> SourceRow:
    """Return a source by id or name; to whom only some are granted with ``needs``, the others are not there.

    With ``lock`` its row is held until the transaction ends.

    Raises:
        SourceNotFound: there is none.
    """
    by = SourceRow.id == ref if is_id(ref) else SourceRow.name == ref
    query = scoped(SourceRow, subject.tenant_id).where(by, *_granted(subject, needs))
    row = (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if row is None:
        raise SourceNotFound(f"There is no source {ref[:100]}.", hint="GET /api/v1/sources lists them; POST there stores one.")
    return row


def _granted(subject: Subject, needs: Permission) -> list[ColumnElement[bool]]:
    """Return the condition that leaves the sources on which the caller has a permission."""
    ids = subject.granted(needs, ResourceKind.SOURCE) if subject.grants else None
    return [] if ids is None else [SourceRow.id.in_(sorted(ids))]


async def exists(session: AsyncSession, subject: Subject, source_id: str) -> bool:
    """Tell whether there is a source of this id."""
    query = scoped(SourceRow, subject.tenant_id).where(SourceRow.id == source_id).with_only_columns(SourceRow.id)
    return (await session.execute(query)).first() is not None


async def by_name(session: AsyncSession, tenant_id: str, name: str) -> SourceRow | None:
    """Return a tenant's source of a name, or None."""
    return (await session.execute(scoped(SourceRow, tenant_id).where(SourceRow.name == name))).scalar_one_or_none()


async def list_page(session: AsyncSession, subject: Subject, page: PageRequest, kind: str | None) -> Page[SourceRow]:
    """Return one page of sources by name.

    Raises:
        Malformed: unknown sort field, or a cursor of another list.
    """
    query = scoped(SourceRow, subject.tenant_id).where(*_granted(subject, Permission.SOURCES_READ))
    return await page_by(session, query if kind is None else query.where(SourceRow.kind == kind), SourceRow.name, page)


async def kinds(session: AsyncSession, tenant_id: str) -> dict[str, str]:
    """Return the kind of every source of a tenant, by name."""
    rows = await session.execute(scoped(SourceRow, tenant_id).with_only_columns(SourceRow.name, SourceRow.kind))
    return {row.name: row.kind for row in rows}


async def holding(session: AsyncSession, tenant_id: str, text: str) -> Sequence[SourceRow]:
    """Return the sources of a tenant whose config holds a text."""
    query = scoped(SourceRow, tenant_id).where(cast(SourceRow.config, Text).contains(text, autoescape=True))
    return (await session.scalars(query.order_by(SourceRow.name))).all()


async def create(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a source."""
    await session.execute(insert(SourceRow).values(row))


async def change(session: AsyncSession, subject: Subject, source_id: str, values: Mapping[str, Any]) -> None:
    """Change a source."""
    mine = (SourceRow.tenant_id == subject.tenant_id, SourceRow.id == source_id)
    await session.execute(update(SourceRow).where(*mine).values(values))


async def remove(session: AsyncSession, subject: Subject, source_id: str) -> None:
    """Delete a source."""
    await session.execute(delete(SourceRow).where(SourceRow.tenant_id == subject.tenant_id, SourceRow.id == source_id))
