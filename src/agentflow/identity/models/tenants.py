"""Tables of organisations: members, teams, invitations, roles, and grants on single things."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, Integer, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from agentflow.infra.db.base import Base, TenantOwned
from agentflow.infra.db.types import Id, JsonText, UtcTime

_COUNTED = text("max_running_runs IS NOT NULL")


class TenantRow(Base):
    """An organisation; everything else belongs to one. A deleted one lets nobody in, and keeps its name.

    ``max_running_runs`` is a quota, too; it stands apart from the others because the queue reads it with the runs.

    The one that came with the installation runs it: its owners and admins may do what concerns all organisations.
    """

    __tablename__ = "tenants"
    __table_args__ = (Index("ix_tenants_counted", "id", sqlite_where=_COUNTED, postgresql_where=_COUNTED),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    is_operator: Mapped[bool] = mapped_column(Boolean, server_default=false())
    quotas: Mapped[Any | None] = mapped_column(JsonText)
    max_running_runs: Mapped[int | None] = mapped_column(Integer)
    second_factor_required: Mapped[bool] = mapped_column(Boolean, server_default=false())
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcTime)


class MembershipRow(Base, TenantOwned):
    """A user in an organisation, with the names of the roles held there."""

    __tablename__ = "memberships"
    __table_args__ = (Index("ix_memberships_user_id", "user_id"),)

    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    roles: Mapped[Any] = mapped_column(JsonText)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class RoleRow(Base, TenantOwned):
    """A role that an organisation made for itself; those built in are code."""

    __tablename__ = "roles"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    permissions: Mapped[Any] = mapped_column(JsonText)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    updated_at: Mapped[datetime] = mapped_column(UtcTime)


class TeamRow(Base, TenantOwned):
    """Some members of an organisation, under a name."""

    __tablename__ = "teams"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class TeamMemberRow(Base, TenantOwned):
    """A member of a team."""

    __tablename__ = "team_members"
    __table_args__ = (Index("ix_team_members_user_id", "user_id"),)

    team_id: Mapped[str] = mapped_column(Id, ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)


class InvitationRow(Base, TenantOwned):
    """An invitation into an organisation; whoever holds its secret may accept it, once."""

    __tablename__ = "invitations"
    __table_args__ = (Index("ix_invitations_tenant_id", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(Text)
    roles: Mapped[Any] = mapped_column(JsonText)
    secret_hash: Mapped[str] = mapped_column(Text, unique=True)
    invited_by: Mapped[str] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcTime)
    accepted_by: Mapped[str | None] = mapped_column(Id)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class GrantRow(Base, TenantOwned):
    """What a role allows, for one user or team, on a single workflow, source or collection; ``link_id`` is the link it was taken from."""

    __tablename__ = "grants"
    __table_args__ = (
        UniqueConstraint("tenant_id", "resource_kind", "resource_id", "grantee_kind", "grantee_id"),
        Index("ix_grants_grantee_id", "grantee_id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(Id, ForeignKey("tenants.id", ondelete="CASCADE"))
    grantee_kind: Mapped[str] = mapped_column(Text)
    grantee_id: Mapped[str] = mapped_column(Id)
    resource_kind: Mapped[str] = mapped_column(Text)
    resource_id: Mapped[str] = mapped_column(Id)
    role: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    link_id: Mapped[str | None] = mapped_column(Id)
