"""Queries about API keys."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, bindparam, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.api_keys.errors import ApiKeyNotFound
from agentflow.identity.listing import page_of
from agentflow.identity.models import ApiKeyRow, MembershipRow, UserRow
from agentflow.infra.db.engine import Database
from agentflow.infra.db.lookup import Lookup
from agentflow.kit.pagination import Page, PageRequest

_COLUMNS = (*ApiKeyRow.__table__.columns, UserRow.username)
_FOUND = Lookup(
    select(*_COLUMNS)
    .join_from(ApiKeyRow, UserRow, UserRow.id == ApiKeyRow.user_id)
    .where(
        or_(
            ApiKeyRow.secret_hash == bindparam("digest"),
            and_(ApiKeyRow.previous_hash == bindparam("digest"), ApiKeyRow.previous_until > bindparam("now")),
        )
    )
    .limit(1)
)


async def find_by_secret(database: Database, digest: str, now: datetime) -> Any | None:
    """Return the key with this secret, new or still good, live or not; None when there is none. Keys are found before a tenant is known."""
    return await database.read_one(_FOUND, {"digest": digest, "now": now})


def _scoped(tenant_id: str, user_id: str | None) -> Select[Any]:
    query = select(*_COLUMNS).join_from(ApiKeyRow, UserRow, UserRow.id == ApiKeyRow.user_id).where(ApiKeyRow.tenant_id == tenant_id)
    return query if user_id is None else query.where(ApiKeyRow.user_id == user_id)


async def list_keys(session: AsyncSession, tenant_id: str, user_id: str | None, page: PageRequest) -> Page[Any]:
    """Return one page of a tenant's keys; of one user, or of all with None."""
    return await page_of(session, _scoped(tenant_id, user_id), {"id": ApiKeyRow.id}, page)


async def find(session: AsyncSession, tenant_id: str, key_id: str, user_id: str | None = None) -> Any | None:
    """Return one key of a tenant, live or not, or None; with ``user_id`` only when it is that user's."""
    return (await session.execute(_scoped(tenant_id, user_id).where(ApiKeyRow.id == key_id))).one_or_none()


async def get(session: AsyncSession, tenant_id: str, key_id: str, user_id: str | None = None) -> Any:
    """Return one key of a tenant; with ``user_id`` only when it is that user's.

    Raises:
        ApiKeyNotFound: there is none.
    """
    row = await find(session, tenant_id, key_id, user_id)
    if row is None:
        raise ApiKeyNotFound("There is no such API key.", hint="GET /api/v1/api-keys lists yours.")
    return row


async def add(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Insert a key."""
    await session.execute(insert(ApiKeyRow).values(row))


async def change(session: AsyncSession, tenant_id: str, key_id: str, values: Mapping[str, Any], *, secret_hash: str | None = None) -> bool:
    """Change a key that is not revoked, with ``secret_hash`` only while that is its own; returns whether there was one."""
    wanted = [ApiKeyRow.tenant_id == tenant_id, ApiKeyRow.id == key_id, ApiKeyRow.revoked_at.is_(None)]
    if secret_hash is not None:
        wanted.append(ApiKeyRow.secret_hash == secret_hash)
    changed = await session.execute(update(ApiKeyRow).where(*wanted).values(**values).returning(ApiKeyRow.id))
    return changed.scalar_one_or_none() is not None


async def revoke_named(session: AsyncSession, tenant_id: str, user_id: str, name: str, now: datetime) -> None:
    """Revoke every key of a name that a user has in a tenant."""
    mine = (ApiKeyRow.tenant_id == tenant_id, ApiKeyRow.user_id == user_id, ApiKeyRow.name == name, ApiKeyRow.revoked_at.is_(None))
    await session.execute(update(ApiKeyRow).where(*mine).values(revoked_at=now))


async def kind_of_member(session: AsyncSession, tenant_id: str, user_id: str) -> tuple[str, list[str]] | None:
    """Return what a member of a tenant is, and its roles; None when it is no member or disabled."""
    query = select(UserRow.kind, MembershipRow.roles).join_from(MembershipRow, UserRow, UserRow.id == MembershipRow.user_id)
    mine = (MembershipRow.tenant_id == tenant_id, MembershipRow.user_id == user_id, UserRow.disabled_at.is_(None))
    row = (await session.execute(query.where(*mine))).one_or_none()
    return None if row is None else (row.kind, row.roles)
