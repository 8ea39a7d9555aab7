"""Queries about the accounts that an organisation administers."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.listing import page_of
from agentflow.identity.models import GrantRow, MembershipRow, UserRow
from agentflow.kit.pagination import Page, PageRequest

_COLUMNS = (
    *(UserRow.id, UserRow.tenant_id, UserRow.username, UserRow.display_name, UserRow.email, UserRow.kind, UserRow.totp_confirmed_at),
    *(UserRow.disabled_at, UserRow.created_at, MembershipRow.roles),
)


def _administered(tenant_id: str) -> Select[Any]:
    here = and_(MembershipRow.user_id == UserRow.id, MembershipRow.tenant_id == tenant_id)
    return select(*_COLUMNS).outerjoin_from(UserRow, MembershipRow, here).where(UserRow.tenant_id == tenant_id)


async def list_users(session: AsyncSession, tenant_id: str, kind: str | None, page: PageRequest) -> Page[Any]:
    """Return one page of the accounts that a tenant administers, by name; of one kind, or of all with None."""
    query = _administered(tenant_id)
    return await page_of(session, query if kind is None else query.where(UserRow.kind == kind), {"username": UserRow.username}, page)


async def find(session: AsyncSession, tenant_id: str, user_id: str) -> Any | None:
    """Return an account that a tenant administers, or None."""
    return (await session.execute(_administered(tenant_id).where(UserRow.id == user_id))).one_or_none()


async def is_member_elsewhere(session: AsyncSession, tenant_id: str, user_id: str) -> bool:
    """Tell whether a user is a member of another tenant."""
    query = select(MembershipRow.tenant_id).where(MembershipRow.user_id == user_id, MembershipRow.tenant_id != tenant_id)
    return (await session.execute(query.limit(1))).first() is not None


async def change(session: AsyncSession, tenant_id: str, user_id: str, values: Mapping[str, Any]) -> None:
    """Change an account that a tenant administers."""
    await session.execute(update(UserRow).where(UserRow.tenant_id == tenant_id, UserRow.id == user_id).values(**values))


async def remove(session: AsyncSession, tenant_id: str, user_id: str) -> None:
    """Delete an account that a tenant administers, with its sessions, keys, memberships, and what was granted to it."""
    await session.execute(delete(GrantRow).where(GrantRow.grantee_id == user_id))
    await session.execute(delete(UserRow).where(UserRow.tenant_id == tenant_id, UserRow.id == user_id))
