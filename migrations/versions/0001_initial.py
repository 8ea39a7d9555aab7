"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from agentflow.infra.db import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkpoint_writes",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("checkpoint_ns", sa.Text(), nullable=False),
        sa.Column("checkpoint_id", types.Id(length=16), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("task_path", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx", name=op.f("pk_checkpoint_writes")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "checkpoints",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("thread_id", sa.Text(), nullable=False),
        sa.Column("checkpoint_ns", sa.Text(), nullable=False),
        sa.Column("checkpoint_id", types.Id(length=16), nullable=False),
        sa.Column("parent_id", types.Id(length=16), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "thread_id", "checkpoint_ns", "checkpoint_id", name=op.f("pk_checkpoints")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_checkpoints_run_id",
        "checkpoints",
        ["tenant_id", "run_id"],
        unique=False,
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_table(
        "collections",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("embedding_model", sa.Text(), nullable=False),
        sa.Column("dimension", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("document_count", sa.Integer(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("updated_at", types.UtcTime(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_collections_tenant_id_name")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("answer", types.JsonText(), nullable=False),
        sa.Column("expires_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "node_cache",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("output", types.JsonText(), nullable=True),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_node_cache")),
    )
    op.create_table(
        "run_specs",
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("spec", types.JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "spec_hash", name=op.f("pk_run_specs")),
    )
    op.create_table(
        "runs",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("user_id", types.Id(length=16), nullable=False),
        sa.Column("workflow_id", types.Id(length=16), nullable=True),
        sa.Column("workflow_version", sa.Integer(), nullable=True),
        sa.Column("workflow_name", sa.Text(), nullable=False),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("engine_format", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("inputs", types.JsonText(), nullable=False),
        sa.Column("outputs", types.JsonText(), nullable=True),
        sa.Column("error", types.JsonText(), nullable=True),
        sa.Column("usage", types.JsonText(), nullable=True),
        sa.Column("lane", sa.Text(), nullable=True),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("tags", types.JsonText(), nullable=True),
        sa.Column("parent_run_id", types.Id(length=16), nullable=True),
        sa.Column("parent_key", sa.Text(), nullable=True),
        sa.Column("depth", sa.SmallInteger(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("idempotency_hash", sa.Text(), nullable=True),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("started_at", types.UtcTime(), nullable=True),
        sa.Column("ended_at", types.UtcTime(), nullable=True),
        sa.Column("deadline_at", types.UtcTime(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("lease_owner", types.Id(length=16), nullable=True),
        sa.Column("lease_until", types.UtcTime(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index(
        "ix_runs_live",
        "runs",
        ["status", "lease_until"],
        unique=False,
        sqlite_where=sa.text("status IN ('queued', 'running')"),
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.create_index("ix_runs_tenant_id_id", "runs", ["tenant_id", "id"], unique=False)
    op.create_index("ix_runs_tenant_id_workflow_id_id", "runs", ["tenant_id", "workflow_id", "id"], unique=False)
    op.create_index(
        "uq_runs_idempotency",
        "runs",
        ["tenant_id", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "uq_runs_parent",
        "runs",
        ["parent_run_id", "parent_key"],
        unique=True,
        sqlite_where=sa.text("parent_run_id IS NOT NULL"),
        postgresql_where=sa.text("parent_run_id IS NOT NULL"),
    )
    op.create_table(
        "tenants",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
        sa.UniqueConstraint("name", name=op.f("uq_tenants_name")),
    )
    op.create_table(
        "workflows",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("owner_id", types.Id(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("tags", types.JsonText(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("fork_from_id", types.Id(length=16), nullable=True),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("updated_at", types.UtcTime(), nullable=False),
        sa.Column("deleted_at", types.UtcTime(), nullable=True),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflows")),
    )
    op.create_index("ix_workflows_tenant_id_id", "workflows", ["tenant_id", "id"], unique=False)
    op.create_index("ix_workflows_tenant_id_name", "workflows", ["tenant_id", "name"], unique=False)
    op.create_table(
        "documents",
        sa.Column("collection_id", types.Id(length=16), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("metadata", types.JsonText(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("characters", sa.Integer(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("updated_at", types.UtcTime(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["collections.id"], name=op.f("fk_documents_collection_id_collections"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "id", name=op.f("pk_documents")),
    )
    op.create_table(
        "node_runs",
        sa.Column("run_id", types.Id(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("input", types.JsonText(), nullable=True),
        sa.Column("output", types.JsonText(), nullable=True),
        sa.Column("error", types.JsonText(), nullable=True),
        sa.Column("usage", types.JsonText(), nullable=True),
        sa.Column("taken", types.JsonText(), nullable=True),
        sa.Column("started_at", types.UtcTime(), nullable=True),
        sa.Column("ended_at", types.UtcTime(), nullable=True),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_node_runs_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", "iteration", name=op.f("pk_node_runs")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run_events",
        sa.Column("run_id", types.Id(length=16), nullable=False),
        sa.Column("first_seq", sa.Integer(), nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.Column("events", types.JsonText(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_events_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "first_seq", name=op.f("pk_run_events")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "users",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_users_tenant_id_tenants"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("username", name=op.f("uq_users_username")),
    )
    op.create_index(op.f("ix_users_tenant_id"), "users", ["tenant_id"], unique=False)
    op.create_table(
        "workflow_edges",
        sa.Column("workflow_id", types.Id(length=16), nullable=False),
        sa.Column("edge_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("targets", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name=op.f("fk_workflow_edges_workflow_id_workflows"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workflow_id", "edge_id", name=op.f("pk_workflow_edges")),
        sa.UniqueConstraint("workflow_id", "position", name=op.f("uq_workflow_edges_workflow_id_position")),
    )
    op.create_table(
        "workflow_nodes",
        sa.Column("workflow_id", types.Id(length=16), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name=op.f("fk_workflow_nodes_workflow_id_workflows"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workflow_id", "node_id", name=op.f("pk_workflow_nodes")),
    )
    op.create_table(
        "workflow_versions",
        sa.Column("workflow_id", types.Id(length=16), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("spec", types.JsonText(), nullable=False),
        sa.Column("spec_hash", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_by", types.Id(length=16), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name=op.f("fk_workflow_versions_workflow_id_workflows"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workflow_id", "number", name=op.f("pk_workflow_versions")),
    )
    op.create_table(
        "chunks",
        sa.Column("collection_id", types.Id(length=16), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("place", types.JsonText(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id", "document_id"],
            ["documents.collection_id", "documents.id"],
            name=op.f("fk_chunks_collection_id_documents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "document_id", "position", name=op.f("pk_chunks")),
    )
    op.create_table(
        "credentials",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("user_id", types.Id(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("expires_at", types.UtcTime(), nullable=True),
        sa.Column("revoked_at", types.UtcTime(), nullable=True),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_credentials_user_id_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credentials")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_credentials_secret_hash")),
    )
    op.create_index("ix_credentials_user_id", "credentials", ["user_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_credentials_user_id", table_name="credentials")
    op.drop_table("credentials")
    op.drop_table("chunks")
    op.drop_table("workflow_versions")
    op.drop_table("workflow_nodes")
    op.drop_table("workflow_edges")
    op.drop_index(op.f("ix_users_tenant_id"), table_name="users")
    op.drop_table("users")
    op.drop_table("run_events")
    op.drop_table("node_runs")
    op.drop_table("documents")
    op.drop_index("ix_workflows_tenant_id_name", table_name="workflows")
    op.drop_index("ix_workflows_tenant_id_id", table_name="workflows")
    op.drop_table("workflows")
    op.drop_table("tenants")
    op.drop_index(
        "uq_runs_parent",
        table_name="runs",
        sqlite_where=sa.text("parent_run_id IS NOT NULL"),
        postgresql_where=sa.text("parent_run_id IS NOT NULL"),
    )
    op.drop_index(
        "uq_runs_idempotency",
        table_name="runs",
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.drop_index("ix_runs_tenant_id_workflow_id_id", table_name="runs")
    op.drop_index("ix_runs_tenant_id_id", table_name="runs")
    op.drop_index(
        "ix_runs_live",
        table_name="runs",
        sqlite_where=sa.text("status IN ('queued', 'running')"),
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )
    op.drop_table("runs")
    op.drop_table("run_specs")
    op.drop_table("node_cache")
    op.drop_table("idempotency_keys")
    op.drop_table("collections")
    op.drop_index(
        "ix_checkpoints_run_id",
        table_name="checkpoints",
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.drop_table("checkpoints")
    op.drop_table("checkpoint_writes")
