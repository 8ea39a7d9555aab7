"""An index for every foreign key: deleting what they point to looked through the whole table."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_sessions_tenant_id", "sessions", "tenant_id"),
    ("ix_api_keys_user_id", "api_keys", "user_id"),
    ("ix_workflow_links_of", "workflow_links", "workflow_id"),
)


def upgrade() -> None:
    for name, table, column in _INDEXES:
        op.create_index(name, table, [column], unique=False)


def downgrade() -> None:
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table_name=table)
