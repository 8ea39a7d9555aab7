"""Queries about roles of organisations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.models import GrantRow, MembershipRow, RoleRow, TenantRow
from agentflow.infra.db.repository import has_label, scoped


async def list_roles(session: AsyncSession, tenant_id: str, names: Iterable[str] | None = None) -> Sequence[RoleRow]:
    """Return a tenant's own roles by name; only those of ``names`` where given."""
    query = scoped(RoleRow, tenant_id).order_by(RoleRow.name)
    if names is not None:
        query = query.where(RoleRow.name.in_(sorted(names)))
    return (await session.execute(query)).scalars().all()


async def find(session: AsyncSession, tenant_id: str, name: str) -> RoleRow | None:
    """Return a tenant's own role, or None."""
    return (await session.execute(scoped(RoleRow, tenant_id).where(RoleRow.name == name))).scalar_one_or_none()


async def add(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a role."""
    await session.execute(insert(RoleRow).values(row))


async def change(session: AsyncSession, tenant_id: str, name: str, values: Mapping[str, Any]) -> None:
    """Change a role."""
    await session.execute(update(RoleRow).where(RoleRow.tenant_id == tenant_id, RoleRow.name == name).values(**values))


async def remove(session: AsyncSession, tenant_id: str, name: str) -> None:
    """Delete a role."""
    await session.execute(delete(RoleRow).where(RoleRow.tenant_id == tenant_id, RoleRow.name == name))


async def is_held(session: AsyncSession, tenant_id: str, name: str) -> bool:
    """Tell whether a member or a grant has a role."""
    members = select(MembershipRow.user_id).where(MembershipRow.tenant_id == tenant_id, has_label(MembershipRow.roles, name)).limit(1)
    grants = select(GrantRow.id).where(GrantRow.tenant_id == tenant_id, GrantRow.role == name).limit(1)
    return (await session.execute(members)).first() is not None or (await session.execute(grants)).first() is not None


async def is_operator(session: AsyncSession, tenant_id: str) -> bool:
    """Tell whether a tenant runs the installation."""
    return bool(await session.scalar(select(TenantRow.is_operator).where(TenantRow.id == tenant_id)))


async def lock_tenant(session: AsyncSession, tenant_id: str) -> None:
    """Hold a tenant until the transaction ends, so that changes of who may do what come one after the other."""
    await session.execute(select(TenantRow.id).where(TenantRow.id == tenant_id).with_for_update())
