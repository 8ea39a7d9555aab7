"""The key that a run was started with, quotas of runs at a time and of tokens, and where a pruned audit log begins."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from agentflow.infra.db import row_security, types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_OF_TENANTS = ("audit_floors", "token_holds", "token_uses")
_COUNTED = "max_running_runs IS NOT NULL"
_USES = ("collections:use", "secrets:use", "sources:use")
_EXECUTE = "workflows:execute"


def upgrade() -> None:
    op.add_column("runs", sa.Column("key_id", types.Id(length=16), nullable=True))
    op.add_column("tenants", sa.Column("max_running_runs", sa.Integer(), nullable=True))
    counted = {"sqlite_where": sa.text(_COUNTED), "postgresql_where": sa.text(_COUNTED)}
    op.create_index("ix_tenants_counted", "tenants", ["id"], unique=False, **counted)
    op.create_table(
        "token_uses",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", name=op.f("pk_token_uses")),
    )
    op.create_table(
        "token_holds",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", types.UtcTime(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_holds")),
    )
    op.create_index("ix_token_holds_tenant_id", "token_holds", ["tenant_id"], unique=False)
    op.create_table(
        "audit_floors",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", types.UtcTime(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_floors")),
    )
    row_security.protect(op.get_bind(), _OF_TENANTS)
    _let_runs_use_what_they_used("roles", "permissions")
    _let_runs_use_what_they_used("api_keys", "scopes")


def _let_runs_use_what_they_used(table: str, column: str) -> None:
    """Add what runs need now wherever somebody could start runs, which acted with all rights until then."""
    bind = op.get_bind()
    rows = sa.table(table, sa.column("id", types.Id(length=16)), sa.column(column, types.JsonText()))
    names: Any = rows.c[column]
    starting = sa.cast(names, sa.Text()).like(f"%{_EXECUTE}%")
    for row in bind.execute(sa.select(rows.c.id, names).where(names.is_not(None), starting)).all():
        held = json.loads(row[1]) if isinstance(row[1], str) else row[1]
        bind.execute(rows.update().where(rows.c.id == row[0]).values({column: sorted({*held, *_USES})}))


def downgrade() -> None:
    # Permissions that the version before does not know mean nothing to it: they stay.
    for table in _OF_TENANTS:
        op.drop_table(table)
    op.drop_index("ix_tenants_counted", table_name="tenants")
    op.drop_column("tenants", "max_running_runs")
    op.drop_column("runs", "key_id")
