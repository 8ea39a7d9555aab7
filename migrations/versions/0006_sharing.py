"""Who sees a workflow; links to workflows; what imported workflows may use."""

import sqlalchemy as sa
from alembic import op

from agentflow.infra.db import row_security, types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PUBLIC = "visibility = 'public'"


def upgrade() -> None:
    op.add_column("workflows", sa.Column("visibility", sa.Text(), server_default="organisation", nullable=False))
    op.add_column("workflows", sa.Column("is_foreign", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("workflows", sa.Column("confirmed", types.JsonText(), nullable=True))
    op.create_index(
        "ix_workflows_public", "workflows", ["id"], unique=False, sqlite_where=sa.text(_PUBLIC), postgresql_where=sa.text(_PUBLIC)
    )
    op.add_column("grants", sa.Column("link_id", types.Id(length=16), nullable=True))
    op.create_table(
        "workflow_links",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("workflow_id", types.Id(length=16), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("created_by", types.Id(length=16), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("expires_at", types.UtcTime(), nullable=True),
        sa.Column("last_used_at", types.UtcTime(), nullable=True),
        sa.Column("revoked_at", types.UtcTime(), nullable=True),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name=op.f("fk_workflow_links_workflow_id_workflows"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_links")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_workflow_links_secret_hash")),
    )
    op.create_index("ix_workflow_links_workflow_id", "workflow_links", ["tenant_id", "workflow_id", "id"], unique=False)
    row_security.protect(op.get_bind(), ["workflow_links"])


def downgrade() -> None:
    op.drop_table("workflow_links")
    op.drop_column("grants", "link_id")
    op.drop_index("ix_workflows_public", "workflows")
    for column in ("confirmed", "is_foreign", "visibility"):
        op.drop_column("workflows", column)
