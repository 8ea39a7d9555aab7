"""Queries about organisations and their members; whatever is an organisation's own is scoped to it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.listing import page_of
from agentflow.identity.models import ApiKeyRow, GrantRow, InvitationRow, MembershipRow, TeamMemberRow, TeamRow, TenantRow, UserRow
from agentflow.identity.subject import Resource
from agentflow.infra.db.repository import has_label, scoped
from agentflow.kit.pagination import Page, PageRequest

_TENANT = (
    TenantRow.id,
    TenantRow.name,
    TenantRow.quotas,
    TenantRow.max_running_runs,
    TenantRow.second_factor_required,
    TenantRow.is_operator,
    TenantRow.created_at,
)
_MEMBER = (
    UserRow.id.label("user_id"),
    UserRow.username,
    UserRow.display_name,
    UserRow.email,
    UserRow.kind,
    UserRow.disabled_at,
    MembershipRow.roles,
    MembershipRow.created_at.label("joined_at"),
)


async def get_tenant(session: AsyncSession, tenant_id: str) -> Any | None:
    """Return a tenant that is not deleted, or None."""
    return (await session.execute(select(*_TENANT).where(TenantRow.id == tenant_id, TenantRow.deleted_at.is_(None)))).one_or_none()


async def list_tenants(session: AsyncSession, page: PageRequest) -> Page[Any]:
    """Return one page of all tenants of the installation, by name."""
    return await page_of(session, select(*_TENANT).where(TenantRow.deleted_at.is_(None)), {"name": TenantRow.name}, page)


async def list_own(session: AsyncSession, user_id: str, page: PageRequest) -> Page[Any]:
    """Return one page of the tenants that a user is a member of, by name, with the roles held there."""
    query = select(*_TENANT, MembershipRow.roles).join_from(MembershipRow, TenantRow, TenantRow.id == MembershipRow.tenant_id)
    mine = query.where(MembershipRow.user_id == user_id, TenantRow.deleted_at.is_(None))
    return await page_of(session, mine, {"name": TenantRow.name}, page)


async def add_tenant(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a tenant."""
    await session.execute(insert(TenantRow).values(row))


async def change_tenant(session: AsyncSession, tenant_id: str, values: Mapping[str, Any]) -> None:
    """Change a tenant."""
    await session.execute(update(TenantRow).where(TenantRow.id == tenant_id).values(**values))


def _members(tenant_id: str) -> Select[Any]:
    joined = select(*_MEMBER).join_from(MembershipRow, UserRow, UserRow.id == MembershipRow.user_id)
    return joined.where(MembershipRow.tenant_id == tenant_id)


async def list_members(session: AsyncSession, tenant_id: str, page: PageRequest) -> Page[Any]:
    """Return one page of a tenant's members, by name."""
    return await page_of(session, _members(tenant_id), {"username": UserRow.username}, page)


async def find_member(session: AsyncSession, tenant_id: str, user_id: str) -> Any | None:
    """Return a member of a tenant, or None."""
    return (await session.execute(_members(tenant_id).where(MembershipRow.user_id == user_id))).one_or_none()


async def add_member(session: AsyncSession, tenant_id: str, user_id: str, roles: Sequence[str], now: datetime) -> None:
    """Insert a membership."""
    row = {"tenant_id": tenant_id, "user_id": user_id, "roles": list(roles), "created_at": now}
    await session.execute(insert(MembershipRow).values(row))


async def set_roles(session: AsyncSession, tenant_id: str, user_id: str, roles: Sequence[str]) -> None:
    """Give a member other roles."""
    mine = (MembershipRow.tenant_id == tenant_id, MembershipRow.user_id == user_id)
    await session.execute(update(MembershipRow).where(*mine).values(roles=list(roles)))


async def has_other_owner(session: AsyncSession, tenant_id: str, user_id: str) -> bool:
    """Tell whether somebody besides a user owns a tenant: a person whose account is open."""
    query = select(MembershipRow.user_id).join_from(MembershipRow, UserRow, UserRow.id == MembershipRow.user_id)
    others = (MembershipRow.tenant_id == tenant_id, MembershipRow.user_id != user_id, has_label(MembershipRow.roles, "owner"))
    able = (UserRow.disabled_at.is_(None), UserRow.kind == "person")
    return (await session.execute(query.where(*others, *able).limit(1))).first() is not None


async def remove_member(session: AsyncSession, tenant_id: str, user_id: str, now: datetime) -> None:
    """Delete a membership with all that hung on it in this tenant: teams, grants, and keys, which are revoked."""
    await session.execute(delete(MembershipRow).where(MembershipRow.tenant_id == tenant_id, MembershipRow.user_id == user_id))
    await session.execute(delete(TeamMemberRow).where(TeamMemberRow.tenant_id == tenant_id, TeamMemberRow.user_id == user_id))
    await session.execute(delete(GrantRow).where(GrantRow.tenant_id == tenant_id, GrantRow.grantee_id == user_id))
    keys = (ApiKeyRow.tenant_id == tenant_id, ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
    await session.execute(update(ApiKeyRow).where(*keys).values(revoked_at=now))


async def list_invitations(session: AsyncSession, tenant_id: str, now: datetime) -> Sequence[InvitationRow]:
    """Return the invitations of a tenant that can be accepted, newest first."""
    open_ = (InvitationRow.accepted_at.is_(None), InvitationRow.revoked_at.is_(None), InvitationRow.expires_at > now)
    return (await session.execute(scoped(InvitationRow, tenant_id).where(*open_).order_by(InvitationRow.id.desc()))).scalars().all()


async def add_invitation(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert an invitation; earlier ones of the same address are revoked."""
    earlier = (InvitationRow.tenant_id == row["tenant_id"], InvitationRow.email == row["email"], InvitationRow.accepted_at.is_(None))
    await session.execute(update(InvitationRow).where(*earlier, InvitationRow.revoked_at.is_(None)).values(revoked_at=row["created_at"]))
    await session.execute(insert(InvitationRow).values(row))


async def find_invitation(session: AsyncSession, secret_hash: str, now: datetime) -> Any | None:
    """Return the open invitation with this secret, and its tenant's name; None when there is none. It says itself whose it is."""
    query = select(InvitationRow, TenantRow.name.label("tenant_name")).join_from(
        InvitationRow, TenantRow, TenantRow.id == InvitationRow.tenant_id
    )
    open_ = (InvitationRow.accepted_at.is_(None), InvitationRow.revoked_at.is_(None), InvitationRow.expires_at > now)
    found = query.where(InvitationRow.secret_hash == secret_hash, *open_, TenantRow.deleted_at.is_(None))
    return (await session.execute(found.with_for_update(of=InvitationRow))).one_or_none()


async def accept_invitation(session: AsyncSession, invitation_id: str, user_id: str, now: datetime) -> bool:
    """Use an invitation up; returns False when somebody was faster."""
    mine = (InvitationRow.id == invitation_id, InvitationRow.accepted_at.is_(None), InvitationRow.revoked_at.is_(None))
    statement = update(InvitationRow).where(*mine).values(accepted_at=now, accepted_by=user_id).returning(InvitationRow.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def revoke_invitation(session: AsyncSession, tenant_id: str, invitation_id: str, now: datetime) -> bool:
    """Revoke an open invitation; returns False when there is none."""
    mine = (InvitationRow.tenant_id == tenant_id, InvitationRow.id == invitation_id, InvitationRow.accepted_at.is_(None))
    statement = update(InvitationRow).where(*mine, InvitationRow.revoked_at.is_(None)).values(revoked_at=now).returning(InvitationRow.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def list_teams(session: AsyncSession, tenant_id: str) -> Sequence[TeamRow]:
    """Return the teams of a tenant, by name."""
    return (await session.execute(scoped(TeamRow, tenant_id).order_by(TeamRow.name))).scalars().all()


async def find_team(session: AsyncSession, tenant_id: str, team_id: str) -> TeamRow | None:
    """Return a team, or None."""
    return (await session.execute(scoped(TeamRow, tenant_id).where(TeamRow.id == team_id))).scalar_one_or_none()


async def team_members(session: AsyncSession, tenant_id: str) -> dict[str, list[str]]:
    """Return the ids of the members of every team of a tenant, by the team's id."""
    found: dict[str, list[str]] = {}
    for row in (await session.execute(scoped(TeamMemberRow, tenant_id).order_by(TeamMemberRow.user_id))).scalars():
        found.setdefault(row.team_id, []).append(row.user_id)
    return found


async def add_team(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a team."""
    await session.execute(insert(TeamRow).values(row))


async def change_team(session: AsyncSession, tenant_id: str, team_id: str, values: Mapping[str, Any]) -> None:
    """Change a team."""
    await session.execute(update(TeamRow).where(TeamRow.tenant_id == tenant_id, TeamRow.id == team_id).values(**values))


async def remove_team(session: AsyncSession, tenant_id: str, team_id: str) -> None:
    """Delete a team with its grants."""
    await session.execute(delete(GrantRow).where(GrantRow.tenant_id == tenant_id, GrantRow.grantee_id == team_id))
    await session.execute(delete(TeamRow).where(TeamRow.tenant_id == tenant_id, TeamRow.id == team_id))


async def join_team(session: AsyncSession, tenant_id: str, team_id: str, user_id: str) -> None:
    """Insert a member of a team, unless the user is one."""
    mine = scoped(TeamMemberRow, tenant_id).where(TeamMemberRow.team_id == team_id, TeamMemberRow.user_id == user_id)
    if (await session.execute(mine)).first() is None:
        await session.execute(insert(TeamMemberRow).values(tenant_id=tenant_id, team_id=team_id, user_id=user_id))


async def leave_team(session: AsyncSession, tenant_id: str, team_id: str, user_id: str) -> bool:
    """Delete a member of a team; returns whether the user was one."""
    mine = (TeamMemberRow.tenant_id == tenant_id, TeamMemberRow.team_id == team_id, TeamMemberRow.user_id == user_id)
    return (await session.execute(delete(TeamMemberRow).where(*mine).returning(TeamMemberRow.user_id))).first() is not None


async def roles_granted(session: AsyncSession, tenant_id: str, grantee_id: str) -> set[str]:
    """Return the names of the roles that a user or team has on single things."""
    query = select(GrantRow.role).where(GrantRow.tenant_id == tenant_id, GrantRow.grantee_id == grantee_id)
    return set((await session.execute(query)).scalars())


async def list_grants(session: AsyncSession, tenant_id: str, page: PageRequest, wanted: Mapping[str, str]) -> Page[Any]:
    """Return one page of a tenant's grants; ``wanted`` are columns with the values to look for."""
    query = select(*GrantRow.__table__.columns).where(GrantRow.tenant_id == tenant_id)
    for name, value in wanted.items():
        query = query.where(getattr(GrantRow, name) == value)
    return await page_of(session, query, {"id": GrantRow.id}, page)


async def add_grant(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a grant."""
    await session.execute(insert(GrantRow).values(row))


async def remove_grant(session: AsyncSession, tenant_id: str, grant_id: str, on: Resource | None = None) -> bool:
    """Delete a grant, if need be only one on a certain thing; returns whether there was one."""
    mine = [GrantRow.tenant_id == tenant_id, GrantRow.id == grant_id]
    if on is not None:
        mine += [GrantRow.resource_kind == on.kind.value, GrantRow.resource_id == on.id]
    return (await session.execute(delete(GrantRow).where(*mine).returning(GrantRow.id))).first() is not None
