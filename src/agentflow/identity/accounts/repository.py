"""Queries about accounts, which belong to no tenant alone: a user may be a member of many."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.models import MembershipRow, TenantRow, UserRow
from agentflow.infra.db.engine import Database
from agentflow.infra.db.lookup import Lookup

_AT_ONCE = 500
_BY_ID = Lookup(select(*UserRow.__table__.columns).where(UserRow.id == bindparam("id")))


async def find(session: AsyncSession, login: str) -> UserRow | None:
    """Return the account with this username or mail address, both in small letters; a username holds no ``@``."""
    by = UserRow.email == login if "@" in login else UserRow.username == login
    return (await session.execute(select(UserRow).where(by))).scalar_one_or_none()


async def look_up(database: Database, user_id: str) -> UserRow | None:
    """Return an account by its id, or None: as ``get``, where it is only looked at."""
    row = await database.read_one(_BY_ID, {"id": user_id})
    return None if row is None else UserRow(**row._asdict())


async def get(session: AsyncSession, user_id: str, *, lock: bool = False) -> UserRow | None:
    """Return an account by its id, or None; with ``lock`` nobody else changes it until the transaction ends."""
    query = select(UserRow).where(UserRow.id == user_id)
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def is_taken(session: AsyncSession, username: str) -> bool:
    """Tell whether there is an account of this name."""
    return (await session.execute(select(UserRow.id).where(UserRow.username == username))).first() is not None


async def add(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert an account."""
    await session.execute(insert(UserRow).values(row))


async def change(session: AsyncSession, user_id: str, values: Mapping[str, Any]) -> None:
    """Change an account."""
    await session.execute(update(UserRow).where(UserRow.id == user_id).values(**values))


async def take_totp_step(session: AsyncSession, user_id: str, step: int) -> bool:
    """Use a time step of the second factor up; returns False when it, or a later one, was used before."""
    unused = and_(UserRow.id == user_id, or_(UserRow.totp_last_step.is_(None), UserRow.totp_last_step < step))
    taken = await session.execute(update(UserRow).where(unused).values(totp_last_step=step).returning(UserRow.id))
    return taken.scalar_one_or_none() is not None


async def add_tenant(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert an organisation."""
    await session.execute(insert(TenantRow).values(row))


async def add_membership(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a membership."""
    await session.execute(insert(MembershipRow).values(row))


async def set_roles(session: AsyncSession, tenant_id: str, user_id: str, roles: list[str]) -> None:
    """Give a member other roles."""
    mine = (MembershipRow.tenant_id == tenant_id, MembershipRow.user_id == user_id)
    await session.execute(update(MembershipRow).where(*mine).values(roles=roles))


async def tenants_of(session: AsyncSession, user_id: str) -> list[str]:
    """Return the ids of the organisations that a user is a member of, the oldest membership first."""
    query = select(MembershipRow.tenant_id).join_from(MembershipRow, TenantRow, TenantRow.id == MembershipRow.tenant_id)
    mine = query.where(MembershipRow.user_id == user_id, TenantRow.deleted_at.is_(None))
    return list((await session.execute(mine.order_by(MembershipRow.created_at, MembershipRow.tenant_id))).scalars())


async def end_guests(session: AsyncSession, before: datetime, now: datetime) -> list[tuple[str, str]]:
    """Let guests that came before a time in no more; returns the ids of users and of their organisations, which are deleted with them."""
    old = (UserRow.kind == "guest", UserRow.created_at < before, UserRow.disabled_at.is_(None))
    ending = update(UserRow).where(*old).values(disabled_at=now).returning(UserRow.id, UserRow.tenant_id)
    gone = [(row.id, row.tenant_id) for row in await session.execute(ending)]
    for start in range(0, len(gone), _AT_ONCE):
        some = [tenant_id for _, tenant_id in gone[start : start + _AT_ONCE]]
        await session.execute(update(TenantRow).where(TenantRow.id.in_(some), TenantRow.deleted_at.is_(None)).values(deleted_at=now))
    return gone
