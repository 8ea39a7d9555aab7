"""Every query over links and shares; each is scoped to a tenant."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.models import GrantRow, MembershipRow, TeamRow, UserRow
from agentflow.identity.subject import ResourceKind
from agentflow.infra.db.repository import scoped
from agentflow.kit.ids import is_id
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.visibility import Visibility
from agentflow.workflows.sharing.models import LinkRow
from agentflow.workflows.versions.models import VersionRow


async def shares(session: AsyncSession, tenant_id: str, workflow_id: str, share_id: str | None = None) -> Sequence[Any]:
    """Return the grants on a workflow, or one of them, with the names of those who have them, oldest first."""
    name = func.coalesce(UserRow.username, TeamRow.name).label("name")
    query = select(*GrantRow.__table__.columns, name).select_from(GrantRow)
    query = query.outerjoin(UserRow, UserRow.id == GrantRow.grantee_id).outerjoin(TeamRow, TeamRow.id == GrantRow.grantee_id)
    mine = [GrantRow.tenant_id == tenant_id, GrantRow.resource_kind == ResourceKind.WORKFLOW.value, GrantRow.resource_id == workflow_id]
    if share_id is not None:
        mine.append(GrantRow.id == share_id)
    return (await session.execute(query.where(*mine).order_by(GrantRow.id))).all()


async def find_user(session: AsyncSession, tenant_id: str, ref: str) -> str | None:
    """Return the id of a member by name or id, or None."""
    query = select(UserRow.id).join_from(MembershipRow, UserRow, UserRow.id == MembershipRow.user_id)
    by = UserRow.id == ref if is_id(ref) else UserRow.username == ref
    found: str | None = await session.scalar(query.where(MembershipRow.tenant_id == tenant_id, by))
    return found


async def find_team(session: AsyncSession, tenant_id: str, ref: str) -> str | None:
    """Return the id of a team by name or id, or None."""
    by = TeamRow.id == ref if is_id(ref) else TeamRow.name == ref
    found: str | None = await session.scalar(scoped(TeamRow, tenant_id).where(by).with_only_columns(TeamRow.id))
    return found


async def links(session: AsyncSession, tenant_id: str, workflow_id: str) -> Sequence[LinkRow]:
    """Return the links to a workflow that were not revoked, newest first."""
    query = scoped(LinkRow, tenant_id).where(LinkRow.workflow_id == workflow_id, LinkRow.revoked_at.is_(None))
    return (await session.scalars(query.order_by(LinkRow.id.desc()))).all()


async def add_link(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a link."""
    await session.execute(insert(LinkRow).values(row))


async def revoke_links(session: AsyncSession, tenant_id: str, workflow_id: str, now: datetime, link_id: str | None = None) -> int:
    """Revoke a link to a workflow, or all, with the grants that were taken from them; returns how many that were."""
    mine = [LinkRow.tenant_id == tenant_id, LinkRow.workflow_id == workflow_id, LinkRow.revoked_at.is_(None)]
    if link_id is not None:
        mine.append(LinkRow.id == link_id)
    ended = (await session.scalars(update(LinkRow).where(*mine).values(revoked_at=now).returning(LinkRow.id))).all()
    if ended:
        await session.execute(delete(GrantRow).where(GrantRow.tenant_id == tenant_id, GrantRow.link_id.in_(ended)))
    return len(ended)


async def count_use(session: AsyncSession, tenant_id: str, link_id: str, now: datetime) -> bool:
    """Count an opening of a link; returns False when there is none left."""
    left = or_(LinkRow.max_uses.is_(None), LinkRow.uses < LinkRow.max_uses)
    mine = (LinkRow.tenant_id == tenant_id, LinkRow.id == link_id, LinkRow.revoked_at.is_(None), left)
    counted = update(LinkRow).where(*mine).values(uses=LinkRow.uses + 1, last_used_at=now).returning(LinkRow.id)
    return (await session.execute(counted)).first() is not None


async def read_open(session: AsyncSession, tenant_id: str, workflow_id: str) -> tuple[WorkflowRow, VersionRow] | None:
    """Return a workflow that others may see, with its current version; None when it is private or deleted by now."""
    query = scoped(WorkflowRow, tenant_id).where(WorkflowRow.id == workflow_id, WorkflowRow.deleted_at.is_(None))
    row = (await session.scalars(query.where(WorkflowRow.visibility != Visibility.PRIVATE.value))).one_or_none()
    if row is None:
        return None
    current = scoped(VersionRow, tenant_id).where(VersionRow.workflow_id == row.id, VersionRow.number == row.version)
    return row, (await session.scalars(current)).one()
