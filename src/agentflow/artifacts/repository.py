"""Every query over artifacts; each is scoped to the subject's tenant."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, insert
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.artifacts.errors import not_found
from agentflow.artifacts.models import ArtifactRow
from agentflow.errors import Malformed
from agentflow.identity.subject import Subject
from agentflow.infra.db.repository import scoped
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor


async def get(session: AsyncSession, tenant_id: str, artifact_id: str) -> ArtifactRow:
    """Return an artifact.

    Raises:
        ArtifactNotFound: the tenant has none of this id.
    """
    query = scoped(ArtifactRow, tenant_id).where(ArtifactRow.id == artifact_id)
    row = (await session.execute(query)).scalar_one_or_none() if is_id(artifact_id) else None
    if row is None:
        raise not_found(artifact_id)
    return row


async def stored_bytes(session: AsyncSession, tenant_id: str) -> int:
    """Return the size of all artifacts of the tenant together."""
    return int(await session.scalar(scoped(ArtifactRow, tenant_id).with_only_columns(func.coalesce(func.sum(ArtifactRow.size), 0))) or 0)


async def list_page(session: AsyncSession, subject: Subject, run_id: str | None, page: PageRequest) -> Page[ArtifactRow]:
    """Return one page of artifacts by id; of one run, or those that belong to none.

    Raises:
        Malformed: the cursor is of another list.
    """
    if run_id is not None and not is_id(run_id):
        return Page([], None, 0 if page.count else None)
    of_run = ArtifactRow.run_id.is_(None) if run_id is None else ArtifactRow.run_id == run_id
    query = scoped(ArtifactRow, subject.tenant_id).where(of_run)
    total = await session.scalar(query.with_only_columns(func.count())) if page.count else None
    is_down = (page.sort or "").endswith(":desc")
    query = query.order_by(ArtifactRow.id.desc() if is_down else ArtifactRow.id).limit(page.limit + 1)
    if page.cursor:
        last = _last(page.cursor)
        query = query.where(ArtifactRow.id < last if is_down else ArtifactRow.id > last)
    elif page.page > 1:
        query = query.offset((page.page - 1) * page.limit)
    rows = list((await session.execute(query)).scalars())
    more = len(rows) > page.limit
    return Page(rows[: page.limit], encode_cursor(["artifact", rows[page.limit - 1].id]) if more else None, total)


def _last(cursor: str) -> str:
    try:
        made_for, last = decode_cursor(cursor, 2)
    except InvalidCursor as error:
        raise Malformed(str(error), hint="Leave the cursor away to start from the beginning.") from error
    if made_for != "artifact" or not isinstance(last, str) or not is_id(last):
        raise Malformed("The cursor belongs to another list.", hint="Leave the cursor away to start from the beginning.")
    return last


async def create(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Store a new artifact."""
    await session.execute(insert(ArtifactRow).values(**row))


async def remove(session: AsyncSession, subject: Subject, artifact_id: str) -> None:
    """Delete an artifact's row."""
    await session.execute(delete(ArtifactRow).where(ArtifactRow.tenant_id == subject.tenant_id, ArtifactRow.id == artifact_id))
