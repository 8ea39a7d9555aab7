"""Runs that wait: questions to people, events, breakpoints, and where a forked run came from. Large values, and how long runs are kept."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from agentflow.infra.db import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_PARKED = "status IN ('waiting', 'needs_attention')"
_SIGNALLED = f"{_PARKED} AND (signals > signals_seen OR (status = 'needs_attention' AND waiting_since IS NULL))"
_OF_RUN = "run_id IS NOT NULL"
_UNOWNED = "status = 'queued' AND lease_owner IS NULL"
_DEAD = "dead_letter_at IS NOT NULL"
_OPEN = "status = 'open'"
_OPEN_EVENT = "status = 'open' AND event_name IS NOT NULL"


def _run_columns() -> tuple[sa.Column, ...]:
    return (
        sa.Column("tries", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("concurrency_key", sa.Text(), server_default="", nullable=False),
        sa.Column("max_concurrency", sa.Integer(), nullable=True),
        sa.Column("dead_letter_at", types.UtcTime(), nullable=True),
        sa.Column("signals", sa.Integer(), server_default="0", nullable=False),
        sa.Column("signals_seen", sa.Integer(), server_default="0", nullable=False),
        sa.Column("wake_at", types.UtcTime(), nullable=True),
        sa.Column("waiting_since", types.UtcTime(), nullable=True),
        sa.Column("paused_at", types.UtcTime(), nullable=True),
        sa.Column("paused_by", types.Id(length=16), nullable=True),
        sa.Column("control", types.JsonText(), nullable=True),
        sa.Column("origin_run_id", types.Id(length=16), nullable=True),
        sa.Column("origin_kind", sa.Text(), nullable=True),
        sa.Column("origin_checkpoint", sa.Integer(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("inputs_ref", types.JsonText(), nullable=True),
        sa.Column("outputs_ref", types.JsonText(), nullable=True),
    )


def _other_columns() -> tuple[tuple[str, sa.Column], ...]:
    return (
        ("node_runs", sa.Column("input_ref", types.JsonText(), nullable=True)),
        ("node_runs", sa.Column("output_ref", types.JsonText(), nullable=True)),
        ("node_runs", sa.Column("effect", sa.Text(), nullable=True)),
        ("node_cache", sa.Column("output_ref", types.JsonText(), nullable=True)),
        ("run_specs", sa.Column("last_used_at", types.UtcTime(), nullable=True)),
        ("workflows", sa.Column("retention", types.JsonText(), nullable=True)),
    )


def _add_artifacts() -> None:
    op.create_table(
        "artifacts",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("run_id", types.Id(length=16), nullable=True),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_by", types.Id(length=16), nullable=True),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("expires_at", types.UtcTime(), nullable=True),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_artifacts_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_artifacts")),
    )
    op.create_index("ix_artifacts_tenant_id_id", "artifacts", ["tenant_id", "id"], unique=False)
    op.create_index(
        "ix_artifacts_run_id", "artifacts", ["run_id"], unique=False, sqlite_where=sa.text(_OF_RUN), postgresql_where=sa.text(_OF_RUN)
    )


def _add_installation_keys() -> None:
    op.create_table(
        "installation_keys",
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_installation_keys")),
    )


def _create_run_indexes() -> None:
    op.create_index(
        "ix_runs_unowned",
        "runs",
        ["tenant_id", "concurrency_key", sa.text("priority DESC"), "id"],
        unique=False,
        sqlite_where=sa.text(_UNOWNED),
        postgresql_where=sa.text(_UNOWNED),
    )
    op.create_index(
        "ix_runs_signalled", "runs", ["signals"], unique=False, sqlite_where=sa.text(_SIGNALLED), postgresql_where=sa.text(_SIGNALLED)
    )
    op.create_index(
        "ix_runs_dead_letter", "runs", ["tenant_id", "id"], unique=False, sqlite_where=sa.text(_DEAD), postgresql_where=sa.text(_DEAD)
    )


def upgrade() -> None:
    for column in _run_columns():
        op.add_column("runs", column)
    for table, column in _other_columns():
        op.add_column(table, column)
    _add_artifacts()
    _add_installation_keys()
    # What an old process adds later stays unknown, and is therefore kept.
    used = sa.table("run_specs", sa.column("last_used_at", types.UtcTime()))
    op.execute(used.update().values(last_used_at=datetime.now(UTC)))
    op.create_index("ix_runs_parked", "runs", ["wake_at"], unique=False, sqlite_where=sa.text(_PARKED), postgresql_where=sa.text(_PARKED))
    _create_run_indexes()
    op.create_table(
        "interrupts",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("run_id", types.Id(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("request", types.JsonText(), nullable=False),
        sa.Column("assignees", types.JsonText(), nullable=True),
        sa.Column("event_name", sa.Text(), nullable=True),
        sa.Column("event_key", sa.Text(), nullable=True),
        sa.Column("expires_at", types.UtcTime(), nullable=True),
        sa.Column("escalate_at", types.UtcTime(), nullable=True),
        sa.Column("answer", types.JsonText(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True),
        sa.Column("answered_at", types.UtcTime(), nullable=True),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("changes", types.JsonText(), nullable=True),
        sa.Column("told", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_interrupts_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interrupts")),
    )
    op.create_index("uq_interrupts_place", "interrupts", ["run_id", "key", "iteration", "kind", "round"], unique=True)
    op.create_index(
        "ix_interrupts_open", "interrupts", ["tenant_id", "id"], unique=False, sqlite_where=sa.text(_OPEN), postgresql_where=sa.text(_OPEN)
    )
    op.create_index(
        "ix_interrupts_event",
        "interrupts",
        ["tenant_id", "event_name", "event_key"],
        unique=False,
        sqlite_where=sa.text(_OPEN_EVENT),
        postgresql_where=sa.text(_OPEN_EVENT),
    )
    op.create_table(
        "interrupt_comments",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("interrupt_id", types.Id(length=16), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["interrupt_id"], ["interrupts.id"], name=op.f("fk_interrupt_comments_interrupt_id_interrupts"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interrupt_comments")),
    )
    op.create_index("ix_interrupt_comments_interrupt_id", "interrupt_comments", ["interrupt_id", "id"], unique=False)
    op.create_table(
        "run_signals",
        sa.Column("id", types.Id(length=16), nullable=False),
        sa.Column("run_id", types.Id(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", types.JsonText(), nullable=True),
        sa.Column("sent_by", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcTime(), nullable=False),
        sa.Column("taken_by", types.Id(length=16), nullable=True),
        sa.Column("tenant_id", types.Id(length=16), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_signals_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_signals")),
    )
    op.create_index("ix_run_signals_run_id", "run_signals", ["run_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("installation_keys")
    op.drop_table("artifacts")
    for table, column in reversed(_other_columns()):
        op.drop_column(table, column.name)
    op.drop_table("run_signals")
    op.drop_table("interrupt_comments")
    op.drop_table("interrupts")
    for index in ("ix_runs_dead_letter", "ix_runs_signalled", "ix_runs_unowned", "ix_runs_parked"):
        op.drop_index(index, table_name="runs")
    for column in reversed(_run_columns()):
        op.drop_column("runs", column.name)
