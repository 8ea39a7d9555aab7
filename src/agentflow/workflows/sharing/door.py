"""The door between organisations: the only queries over workflows that name no tenant. See decision 25.

What comes through it is public, or opened by a link; whatever is read besides is read as the organisation that it belongs to.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.listing import page_of
from agentflow.identity.models import MembershipRow, TenantRow, UserRow
from agentflow.infra.db.repository import has_label, holds_text
from agentflow.kit.pagination import Page, PageRequest
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.visibility import Visibility
from agentflow.workflows.sharing.models import LinkRow


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link, or being public, lets see.

    Attributes:
        tenant_id: the organisation that the workflow belongs to.
        workflow_id: the workflow.
        link_id: the link; None for a public workflow.
        role: that the link gives.
        expires_at: when the link ends.
        created_by: who made the link.
    """

    tenant_id: str
    workflow_id: str
    link_id: str | None = None
    role: str | None = None
    expires_at: datetime | None = None
    created_by: str | None = None


_SHOWN = (
    WorkflowRow.id,
    WorkflowRow.name,
    WorkflowRow.description,
    WorkflowRow.tags,
    WorkflowRow.version,
    WorkflowRow.updated_at,
)


def _public(*columns: Any) -> Select[Any]:
    query = select(*columns).join_from(WorkflowRow, TenantRow, TenantRow.id == WorkflowRow.tenant_id)
    is_open = (WorkflowRow.visibility == Visibility.PUBLIC.value, WorkflowRow.deleted_at.is_(None), TenantRow.deleted_at.is_(None))
    return query.where(*is_open, WorkflowRow.status == "active")


async def list_public(session: AsyncSession, page: PageRequest, q: str | None, tag: str | None) -> Page[Any]:
    """Return one page of the public workflows of all organisations."""
    query = _public(*_SHOWN)
    if q:
        query = query.where(or_(holds_text(WorkflowRow.name, q), holds_text(WorkflowRow.description, q)))
    if tag:
        query = query.where(has_label(WorkflowRow.tags, tag))
    return await page_of(session, query, {"id": WorkflowRow.id}, page)


async def find_public(session: AsyncSession, workflow_id: str) -> Opened | None:
    """Return where a public workflow is, or None."""
    row = (await session.execute(_public(WorkflowRow.tenant_id, WorkflowRow.id).where(WorkflowRow.id == workflow_id))).one_or_none()
    return None if row is None else Opened(row.tenant_id, row.id)


async def find_link(session: AsyncSession, secret_hash: str, now: datetime) -> Opened | None:
    """Return what a link opens now, or None: it was revoked or is over, or the workflow, its organisation or the maker's membership is gone."""
    columns = (LinkRow.id, LinkRow.tenant_id, LinkRow.workflow_id, LinkRow.role, LinkRow.expires_at, LinkRow.created_by)
    query = select(*columns).join_from(LinkRow, WorkflowRow, WorkflowRow.id == LinkRow.workflow_id)
    query = query.join(TenantRow, TenantRow.id == LinkRow.tenant_id).join(UserRow, UserRow.id == LinkRow.created_by)
    query = query.join(MembershipRow, and_(MembershipRow.user_id == LinkRow.created_by, MembershipRow.tenant_id == LinkRow.tenant_id))
    good = (
        LinkRow.secret_hash == secret_hash,
        LinkRow.revoked_at.is_(None),
        or_(LinkRow.expires_at.is_(None), LinkRow.expires_at > now),
        WorkflowRow.visibility != Visibility.PRIVATE.value,
        WorkflowRow.deleted_at.is_(None),
        TenantRow.deleted_at.is_(None),
        UserRow.disabled_at.is_(None),
    )
    row = (await session.execute(query.where(*good))).one_or_none()
    if row is None:
        return None
    return Opened(row.tenant_id, row.workflow_id, row.id, row.role, row.expires_at, row.created_by)
