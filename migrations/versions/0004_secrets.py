"""Keys, secrets, variables, stored sources, and the audit log."""

import sqlalchemy as sa
from alembic import op

from agentflow.infra.db import row_security, types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OF_TENANTS = ("data_keys", "secrets", "variables", "sources", "audit_records", "audit_heads", "audit_anchors")
_UNSEALED = "seq IS NULL"
_SEALED = "seq IS NOT NULL"


def _create_keys() -> None:
    op.create_table(
        "master_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_master_keys")),
    )
    op.create_table(
        "data_keys",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("master_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["master_id"], ["master_keys.id"], name=op.f("fk_data_keys_master_id_master_keys")),
        sa.PrimaryKeyConstraint("tenant_id", "purpose", name=op.f("pk_data_keys")),
    )
    op.create_index("ix_data_keys_master_id", "data_keys", ["master_id"], unique=False)


def _named(table: str, *columns: sa.Column) -> None:
    """Create a table of things that a tenant has by name."""
    op.create_table(
        table,
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        *columns,
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("updated_at", types.UtcTime(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f(f"uq_{table}_tenant_id_name")),
    )


def _create_audit() -> None:
    op.create_table(
        "audit_records",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("at", types.UtcTime(), nullable=False),
        sa.Column("actor_id", types.Id(length=16), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("details", types.JsonText(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=True),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_records")),
    )
    op.create_index("ix_audit_records_tenant_id_id", "audit_records", ["tenant_id", "id"], unique=False)
    sealed = {"sqlite_where": sa.text(_SEALED), "postgresql_where": sa.text(_SEALED)}
    op.create_index("uq_audit_records_chain", "audit_records", ["tenant_id", "seq"], unique=True, **sealed)
    unsealed = {"sqlite_where": sa.text(_UNSEALED), "postgresql_where": sa.text(_UNSEALED)}
    op.create_index("ix_audit_records_unsealed", "audit_records", ["tenant_id", "id"], unique=False, **unsealed)
    for table, key in (("audit_heads", ("tenant_id",)), ("audit_anchors", ("tenant_id", "seq"))):
        op.create_table(
            table,
            sa.Column("tenant_id", types.Id(length=16), nullable=False),
            sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("hash", sa.LargeBinary(), nullable=False),
            sa.Column("at", types.UtcTime(), nullable=False),
            sa.Column("signature", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint(*key, name=op.f(f"pk_{table}")),
        )


def upgrade() -> None:
    _create_keys()
    _named(
        "secrets",
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", types.Id(length=16), nullable=False),
        sa.Column("last_used_at", types.UtcTime(), nullable=True),
    )
    _named("variables", sa.Column("value", types.JsonText(), nullable=False))
    _named("sources", sa.Column("kind", sa.Text(), nullable=False), sa.Column("config", types.JsonText(), nullable=False))
    _create_audit()
    row_security.protect(op.get_bind(), _OF_TENANTS)
    op.add_column("runs", sa.Column("variables", types.JsonText(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "variables")
    for table in (*reversed(_OF_TENANTS), "master_keys"):
        op.drop_table(table)
