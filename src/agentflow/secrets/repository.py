"""Every query over secrets; each is scoped to a tenant."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.db.pages import page_by
from agentflow.infra.db.repository import scoped
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.secrets.errors import SecretNotFound
from agentflow.secrets.models import SecretRow


async def get(session: AsyncSession, subject: Subject, ref: str, *, lock: bool = False) -> SecretRow:
    """Return a secret by id or name; with ``lock`` its row is held until the transaction ends.

    Raises:
        SecretNotFound: there is none.
    """
    by = SecretRow.id == ref if is_id(ref) else SecretRow.name == ref
    query = scoped(SecretRow, subject.tenant_id).where(by)
    row = (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if row is None:
        raise SecretNotFound(f"There is no secret {ref[:100]}.", hint="GET /api/v1/secrets lists their names; POST there stores one.")
    return row


async def list_page(session: AsyncSession, subject: Subject, page: PageRequest) -> Page[SecretRow]:
    """Return one page of secrets by name.

    Raises:
        Malformed: unknown sort field, or a cursor of another list.
    """
    return await page_by(session, scoped(SecretRow, subject.tenant_id), SecretRow.name, page)


async def names(session: AsyncSession, tenant_id: str) -> frozenset[str]:
    """Return the names of all secrets of a tenant."""
    return frozenset((await session.scalars(scoped(SecretRow, tenant_id).with_only_columns(SecretRow.name))).all())


async def by_name(session: AsyncSession, tenant_id: str, wanted: Collection[str]) -> Sequence[SecretRow]:
    """Return those secrets of a tenant that have one of these names."""
    return (await session.scalars(scoped(SecretRow, tenant_id).where(SecretRow.name.in_(wanted)))).all()


async def create(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a secret."""
    await session.execute(insert(SecretRow).values(row))


async def change(session: AsyncSession, subject: Subject, secret_id: str, values: Mapping[str, Any]) -> None:
    """Change a secret."""
    mine = (SecretRow.tenant_id == subject.tenant_id, SecretRow.id == secret_id)
    await session.execute(update(SecretRow).where(*mine).values(values))


async def remove(session: AsyncSession, subject: Subject, secret_id: str) -> None:
    """Delete a secret."""
    await session.execute(delete(SecretRow).where(SecretRow.tenant_id == subject.tenant_id, SecretRow.id == secret_id))


async def touch(session: AsyncSession, tenant_id: str, ids: Collection[str], now: datetime, before: datetime) -> None:
    """Note that secrets were used, unless they were noted since ``before``."""
    stale = or_(SecretRow.last_used_at.is_(None), SecretRow.last_used_at < before)
    await session.execute(update(SecretRow).where(SecretRow.tenant_id == tenant_id, SecretRow.id.in_(ids), stale).values(last_used_at=now))
