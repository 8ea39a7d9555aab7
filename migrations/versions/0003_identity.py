"""Accounts, sessions, organisations with members and roles, API keys; row-level security on PostgreSQL."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from agentflow.infra.db import row_security, types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HAS_EMAIL = "email IS NOT NULL"


def _id(name: str = "id", *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, types.Id(length=16), nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, types.UtcTime(), nullable=nullable)


def _json(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, types.JsonText(), nullable=nullable)


def _key(table: str, column: str, referred: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{referred}.id"], name=op.f(f"fk_{table}_{column}_{referred}"), ondelete="CASCADE")


def _primary(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*(columns or ("id",)), name=op.f(f"pk_{table}"))


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def _user_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("kind", sa.Text(), server_default="person", nullable=False),
        _text("email", nullable=True),
        _text("display_name", nullable=True),
        _text("password_hash", nullable=True),
        _time("email_verified_at", nullable=True),
        _text("totp_secret", nullable=True),
        _time("totp_confirmed_at", nullable=True),
        sa.Column("totp_last_step", sa.Integer(), nullable=True),
        _json("recovery_codes", nullable=True),
        _time("disabled_at", nullable=True),
    )


def _tenant_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("is_operator", sa.Boolean(), server_default=sa.false(), nullable=False),
        _json("quotas", nullable=True),
        _time("deleted_at", nullable=True),
    )


def upgrade() -> None:
    for column in _tenant_columns():
        op.add_column("tenants", column)
    for column in _user_columns():
        op.add_column("users", column)
    op.create_index(
        "uq_users_email", "users", ["email"], unique=True, sqlite_where=sa.text(_HAS_EMAIL), postgresql_where=sa.text(_HAS_EMAIL)
    )
    _create_organisations()
    _create_accounts()
    _create_api_keys()
    _move_owner_in()
    row_security.protect(op.get_bind(), _tables_of_tenants())


def _create_organisations() -> None:
    op.create_table(
        "memberships",
        _id("tenant_id"),
        _id("user_id"),
        _json("roles"),
        _time("created_at"),
        _key("memberships", "tenant_id", "tenants"),
        _key("memberships", "user_id", "users"),
        _primary("memberships", "tenant_id", "user_id"),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"], unique=False)
    op.create_table(
        "roles",
        _id(),
        _id("tenant_id"),
        _text("name"),
        _text("description", nullable=True),
        _json("permissions"),
        _time("created_at"),
        _time("updated_at"),
        _key("roles", "tenant_id", "tenants"),
        _primary("roles"),
        _unique("roles", "tenant_id", "name"),
    )
    op.create_table(
        "teams",
        _id(),
        _id("tenant_id"),
        _text("name"),
        _text("description", nullable=True),
        _time("created_at"),
        _key("teams", "tenant_id", "tenants"),
        _primary("teams"),
        _unique("teams", "tenant_id", "name"),
    )
    op.create_table(
        "team_members",
        _id("team_id"),
        _id("user_id"),
        _id("tenant_id"),
        _key("team_members", "team_id", "teams"),
        _key("team_members", "user_id", "users"),
        _primary("team_members", "team_id", "user_id"),
    )
    op.create_index("ix_team_members_user_id", "team_members", ["user_id"], unique=False)
    op.create_table(
        "invitations",
        _id(),
        _id("tenant_id"),
        _text("email"),
        _json("roles"),
        _text("secret_hash"),
        _id("invited_by"),
        _time("created_at"),
        _time("expires_at"),
        _time("accepted_at", nullable=True),
        _id("accepted_by", nullable=True),
        _time("revoked_at", nullable=True),
        _key("invitations", "tenant_id", "tenants"),
        _primary("invitations"),
        _unique("invitations", "secret_hash"),
    )
    op.create_index("ix_invitations_tenant_id", "invitations", ["tenant_id", "id"], unique=False)
    op.create_table(
        "grants",
        _id(),
        _id("tenant_id"),
        _text("grantee_kind"),
        _id("grantee_id"),
        _text("resource_kind"),
        _id("resource_id"),
        _text("role"),
        _id("created_by"),
        _time("created_at"),
        _time("expires_at", nullable=True),
        _key("grants", "tenant_id", "tenants"),
        _primary("grants"),
        _unique("grants", "tenant_id", "resource_kind", "resource_id", "grantee_kind", "grantee_id"),
    )
    op.create_index("ix_grants_grantee_id", "grants", ["grantee_id"], unique=False)


def _create_accounts() -> None:
    op.create_table(
        "sessions",
        _id(),
        _id("tenant_id"),
        _id("user_id"),
        _text("kind"),
        _text("secret_hash"),
        sa.Column("chain_key", sa.LargeBinary(), nullable=False),
        _text("previous_hash", nullable=True),
        sa.Column("previous_salt", sa.LargeBinary(), nullable=True),
        _time("rotated_at", nullable=True),
        sa.Column("second_factor", sa.Boolean(), nullable=False),
        _text("device"),
        _text("address"),
        _json("workflows"),
        sa.Column("version", sa.Integer(), nullable=False),
        _time("created_at"),
        _time("last_seen_at"),
        _time("expires_at"),
        _time("revoked_at", nullable=True),
        _key("sessions", "tenant_id", "tenants"),
        _key("sessions", "user_id", "users"),
        _primary("sessions"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id", "id"], unique=False)
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.create_table(
        "one_time_tokens",
        _id(),
        _id("user_id"),
        _text("kind"),
        _text("secret_hash"),
        _text("subject", nullable=True),
        _time("created_at"),
        _time("expires_at"),
        _time("used_at", nullable=True),
        _key("one_time_tokens", "user_id", "users"),
        _primary("one_time_tokens"),
        _unique("one_time_tokens", "secret_hash"),
    )
    op.create_index("ix_one_time_tokens_user_id", "one_time_tokens", ["user_id"], unique=False)
    op.create_table(
        "attempts",
        _text("key"),
        sa.Column("failures", sa.Integer(), nullable=False),
        _time("since"),
        _primary("attempts", "key"),
    )
    op.create_table(
        "signing_keys",
        _id(),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        _time("expires_at"),
        _primary("signing_keys"),
    )


def _create_api_keys() -> None:
    op.create_table(
        "api_keys",
        _id(),
        _id("tenant_id"),
        _id("user_id"),
        _text("name"),
        _text("prefix"),
        _text("secret_hash"),
        _text("previous_hash", nullable=True),
        _time("previous_until", nullable=True),
        _json("scopes", nullable=True),
        sa.Column("rotation_days", sa.Integer(), nullable=True),
        _id("created_by"),
        _time("created_at"),
        _time("rotated_at"),
        _time("expires_at", nullable=True),
        _time("last_used_at", nullable=True),
        _time("revoked_at", nullable=True),
        _key("api_keys", "tenant_id", "tenants"),
        _key("api_keys", "user_id", "users"),
        _primary("api_keys"),
        _unique("api_keys", "secret_hash"),
    )
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant_id", "user_id", "id"], unique=False)
    op.create_index("ix_api_keys_previous_hash", "api_keys", ["previous_hash"], unique=False)


def _move_owner_in() -> None:
    """Make every user the owner of their tenant, which runs the installation, and every key an API key; browsers sign in again."""
    bind = op.get_bind()
    is_json = bind.dialect.name == "postgresql"
    owner = f"CAST('{json.dumps(['owner'])}' AS json)" if is_json else f"'{json.dumps(['owner'])}'"
    tenants = sa.table("tenants", sa.column("is_operator", sa.Boolean()))
    op.execute(tenants.update().values(is_operator=sa.true()))
    # A constant.
    # ast-grep-ignore: no-built-sql
    op.execute(f"INSERT INTO memberships (tenant_id, user_id, roles, created_at) SELECT tenant_id, id, {owner}, created_at FROM users")  # noqa: S608 - a constant
    op.execute(
        "INSERT INTO api_keys (id, tenant_id, user_id, name, prefix, secret_hash, created_by, created_at, rotated_at, expires_at, revoked_at) "
        "SELECT id, tenant_id, user_id, 'owner.key', prefix, secret_hash, user_id, created_at, created_at, expires_at, revoked_at "
        "FROM credentials WHERE kind = 'key'"
    )


def _tables_of_tenants() -> Sequence[str]:
    return (
        *("api_keys", "artifacts", "checkpoint_writes", "checkpoints", "chunks", "collections", "credentials", "documents", "grants"),
        *("idempotency_keys", "interrupt_comments", "interrupts", "invitations", "memberships", "node_cache", "node_runs", "roles"),
        *("run_events", "run_signals", "run_specs", "runs", "sessions", "team_members", "teams", "users", "workflow_edges"),
        *("workflow_nodes", "workflow_versions", "workflows"),
    )


def downgrade() -> None:
    row_security.release(op.get_bind(), _tables_of_tenants())
    # Without roles everybody would be an owner: only keys of those who are come along.
    op.execute(
        "INSERT INTO credentials (id, user_id, kind, prefix, secret_hash, created_at, expires_at, revoked_at, tenant_id) "
        "SELECT k.id, k.user_id, 'key', k.prefix, k.secret_hash, k.created_at, k.expires_at, k.revoked_at, k.tenant_id FROM api_keys k "
        "JOIN memberships m ON m.tenant_id = k.tenant_id AND m.user_id = k.user_id "
        "WHERE k.scopes IS NULL AND CAST(m.roles AS TEXT) LIKE '%\"owner\"%' AND k.id NOT IN (SELECT id FROM credentials)"
    )
    for table in ("api_keys", "signing_keys", "attempts", "one_time_tokens", "sessions", "grants", "invitations", "team_members", "teams"):
        op.drop_table(table)
    for table in ("roles", "memberships"):
        op.drop_table(table)
    op.drop_index("uq_users_email", table_name="users")
    for column in reversed(_user_columns()):
        op.drop_column("users", column.name)
    for column in reversed(_tenant_columns()):
        op.drop_column("tenants", column.name)
