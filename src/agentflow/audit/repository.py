"""Every query over the audit log; each is scoped to a tenant."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.audit.errors import RecordNotFound
from agentflow.identity.subject import Subject
from agentflow.infra.audit.chain import Anchor
from agentflow.infra.audit.models import AuditAnchorRow, AuditFloorRow, AuditHeadRow, AuditRow
from agentflow.infra.db.engine import Database
from agentflow.infra.db.pages import page_by
from agentflow.infra.db.repository import scoped
from agentflow.kit.pagination import Page, PageRequest

BATCH = 1_000
_COLUMNS = tuple(AuditRow.__table__.columns)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which records to list; None means any.

    Attributes:
        action: one action, as ``secret.created``, or all of a resource, as ``secret``.
        actor: id or name of who did it.
        resource_id: what it was done to.
        outcome: ``done`` or ``denied``.
        since: not before this.
        until: before this.
    """

    action: str | None = None
    actor: str | None = None
    resource_id: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def _where(query: Select[Any], which: AuditFilter) -> Select[Any]:
    if which.action is not None:
        column = AuditRow.action if "." in which.action else AuditRow.resource
        query = query.where(column == which.action)
    if which.actor is not None:
        query = query.where((AuditRow.actor == which.actor) | (AuditRow.actor_id == which.actor))
    if which.resource_id is not None:
        query = query.where(AuditRow.resource_id == which.resource_id)
    if which.outcome is not None:
        query = query.where(AuditRow.outcome == which.outcome)
    if which.since is not None:
        query = query.where(AuditRow.at >= which.since)
    if which.until is not None:
        query = query.where(AuditRow.at < which.until)
    return query


async def list_page(session: AsyncSession, subject: Subject, which: AuditFilter, page: PageRequest) -> Page[AuditRow]:
    """Return one page of records, newest first unless ``id:asc`` is asked for.

    Raises:
        Malformed: unknown sort field, or a cursor of another list.
    """
    query = _where(scoped(AuditRow, subject.tenant_id), which)
    return await page_by(session, query, AuditRow.id, page, newest_first=True)


async def get(session: AsyncSession, subject: Subject, record_id: str) -> AuditRow:
    """Return a record.

    Raises:
        RecordNotFound: there is none.
    """
    row = (await session.execute(scoped(AuditRow, subject.tenant_id).where(AuditRow.id == record_id))).scalar_one_or_none()
    if row is None:
        raise RecordNotFound(f"There is no audit record {record_id[:100]}.", hint="GET /api/v1/audit lists them.")
    return row


async def sealed(database: Database, tenant_id: str, which: AuditFilter, after: int = 0) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the sealed records of a tenant in the order of its chain, a page at a time, so that no transaction stays open meanwhile."""
    more = True
    while more:
        query = _where(select(*_COLUMNS).where(AuditRow.tenant_id == tenant_id, AuditRow.seq > after), which)
        async with database.reading(tenant_id) as session:
            rows = [row._asdict() for row in await session.execute(query.order_by(AuditRow.seq).limit(BATCH))]
        for row in rows:
            yield row
        more = len(rows) == BATCH
        after = rows[-1]["seq"] if rows else after


async def unsealed_ids(session: AsyncSession, tenant_id: str) -> Sequence[Mapping[str, Any]]:
    """Return the first records of a tenant that are not sealed."""
    query = select(*_COLUMNS).where(AuditRow.tenant_id == tenant_id, AuditRow.seq.is_(None)).order_by(AuditRow.id).limit(BATCH)
    return [row._asdict() for row in await session.execute(query)]


async def floor(session: AsyncSession, tenant_id: str) -> Anchor | None:
    """Return where a tenant's chain begins, or None where nothing was deleted."""
    row = (await session.scalars(scoped(AuditFloorRow, tenant_id))).one_or_none()
    return None if row is None else Anchor(row.tenant_id, row.seq, row.hash, row.at, row.signature)


async def anchors(session: AsyncSession, tenant_id: str) -> list[Anchor]:
    """Return the anchors of a tenant, and the signed end of its chain."""
    kept = (await session.scalars(scoped(AuditAnchorRow, tenant_id))).all()
    found = [Anchor(row.tenant_id, row.seq, row.hash, row.at, row.signature) for row in kept]
    ends = (await session.scalars(scoped(AuditHeadRow, tenant_id))).all()
    return [*found, *(Anchor(row.tenant_id, row.seq, row.hash, row.at, row.signature) for row in ends)]
