"""Queries over runs and node runs; those for people are scoped to a tenant, those of the engine to one run it owns."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, not_, or_, select

from agentflow.errors import NotFound
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Resource, ResourceKind, Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.db.lookup import Lookup
from agentflow.kit.ids import is_id
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.records.statements import EVENTS, NODE_RUNS, RUNS
from agentflow.runtime.states import NodeStatus, RunStatus
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.visibility import Visibility, sees_private, shared_with

WORKFLOWS = WorkflowRow.__table__
_RUN_FIELDS = tuple(item.name for item in fields(RunRecord))
_RUN_VALUES = attrgetter(*_RUN_FIELDS)
_NODE_FIELDS = tuple(item.name for item in fields(NodeRecord))
RUN_COLUMNS = tuple(RUNS.c[name] for name in _RUN_FIELDS)
NODE_COLUMNS = tuple(NODE_RUNS.c[name] for name in _NODE_FIELDS)
_LAST_SEQ = select(func.max(EVENTS.c.last_seq)).where(EVENTS.c.run_id == bindparam("run_id"))
_NODES = select(*NODE_COLUMNS).where(NODE_RUNS.c.run_id == bindparam("run_id")).order_by(NODE_RUNS.c.position)
_RUN = select(*RUN_COLUMNS).where(RUNS.c.tenant_id == bindparam("tenant_id"), RUNS.c.id == bindparam("id"))
_HIDDEN = (
    select(WORKFLOWS.c.id)
    .where(
        WORKFLOWS.c.id == RUNS.c.workflow_id,
        WORKFLOWS.c.visibility == Visibility.PRIVATE.value,
        WORKFLOWS.c.owner_id != bindparam("user_id"),
        WORKFLOWS.c.id.not_in(bindparam("shared", expanding=True)),
    )
    .correlate(RUNS)
    .exists()
)
IN_SIGHT = or_(RUNS.c.workflow_id.is_(None), RUNS.c.user_id == bindparam("user_id"), not_(_HIDDEN))
"""Leaves the runs of others out whose workflow is private; see ``sight_of`` for its parameters."""
_PRIVATE_TO = (
    select(WORKFLOWS.c.owner_id)
    .where(WORKFLOWS.c.id == RUNS.c.workflow_id, WORKFLOWS.c.visibility == Visibility.PRIVATE.value)
    .correlate(RUNS)
    .scalar_subquery()
)
_FIND = Lookup(_RUN)
_FIND_WITH_OWNER = Lookup(_RUN.add_columns(_PRIVATE_TO.label("private_to")))
"""A run, and whose its workflow is if that is private: a list of ids among the parameters would be written into the text at each call."""


class RunNotFound(NotFound):
    """There is no such run, or it belongs to another tenant."""

    code, title = "RUN_NOT_FOUND", "Run not found"


@dataclass(slots=True)
class RunMemory:
    """What is stored of a run that is taken up again.

    Attributes:
        last_seq: number of its last event.
        nodes: its node runs.
    """

    last_seq: int
    nodes: list[NodeRecord] = field(default_factory=list)


def to_run(row: Sequence[Any]) -> RunRecord:
    """Return a row of ``RUN_COLUMNS`` as a record."""
    record = RunRecord(**dict(zip(_RUN_FIELDS, row, strict=True)))
    record.status = RunStatus(record.status)
    record.tags = record.tags or []
    return record


def to_node(row: Row[Any]) -> NodeRecord:
    """Return a row of ``NODE_COLUMNS`` as a record."""
    record = NodeRecord(**dict(zip(_NODE_FIELDS, row, strict=True)))
    record.status = NodeStatus(record.status)
    return record


def run_row(record: RunRecord) -> dict[str, Any]:
    """Return a record as the parameters of an insert."""
    row: dict[str, Any] = dict(zip(_RUN_FIELDS, _RUN_VALUES(record), strict=True))
    row["status"] = record.status.value
    row["tags"] = record.tags or None
    return row


def node_row(run: RunRecord, record: NodeRecord) -> dict[str, Any]:
    """Return an execution of a run as the parameters of an insert."""
    return {
        "tenant_id": run.tenant_id,
        "run_id": run.id,
        "key": record.key,
        "iteration": record.iteration,
        "position": record.position,
        "type": record.type,
        "status": record.status.value,
        "attempts": record.attempts,
        "input": record.input,
        "output": record.output,
        "input_ref": record.input_ref,
        "output_ref": record.output_ref,
        "error": record.error,
        "usage": record.usage,
        "taken": record.taken,
        "effect": record.effect,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
    }


async def load_memory(database: Database, run: RunRecord) -> RunMemory:
    """Return what is stored of a run that this process owns."""

    def load(connection: Connection) -> RunMemory:
        last = connection.scalar(_LAST_SEQ, {"run_id": run.id})
        return RunMemory(last or 0, [to_node(row) for row in connection.execute(_NODES, {"run_id": run.id}).all()])

    return await database.read(load, run.tenant_id)


def sight_of(subject: Subject) -> dict[str, Any] | None:
    """Return the parameters of ``IN_SIGHT`` for a caller; None for one to whom nothing is private."""
    if sees_private(subject, Permission.RUNS_READ):
        return None
    return {"user_id": subject.user_id, "shared": shared_with(subject, Permission.RUNS_READ)}


async def find_run(database: Database, subject: Subject, run_id: str) -> RunRecord | None:
    """Return a run of the subject's tenant, or None."""
    if not is_id(run_id):
        return None
    values = {"tenant_id": subject.tenant_id, "id": run_id}
    if sees_private(subject, Permission.RUNS_READ):
        row = await database.read_one(_FIND, values, subject.tenant_id)
        return None if row is None else to_run(row)
    row = await database.read_one(_FIND_WITH_OWNER, values, subject.tenant_id)
    if row is None:
        return None
    run, private_to = to_run(row[:-1]), row[-1]
    is_mine = subject.user_id in (private_to, run.user_id)
    return run if private_to is None or is_mine or run.workflow_id in shared_with(subject, Permission.RUNS_READ) else None


async def find_seen(database: Database, subject: Subject, run_id: str) -> RunRecord | None:
    """Return a run that the subject sees, or None."""
    record = await find_run(database, subject, run_id)
    return record if record is not None and _is_shown(subject, record) else None


async def get_run(database: Database, subject: Subject, run_id: str) -> RunRecord:
    """Return a run of the subject's tenant.

    Raises:
        RunNotFound: the tenant has no such run.
    """
    record = await find_seen(database, subject, run_id)
    if record is None:
        raise RunNotFound(f"There is no run {run_id}.", hint="GET /api/v1/runs lists the runs you can see.")
    return record


def _is_shown(subject: Subject, run: RunRecord) -> bool:
    """Tell whether a caller sees a run: to whom only some workflows are granted, the runs of others are not there."""
    if not subject.grants or Permission.RUNS_READ in subject.permissions:
        return True
    return run.workflow_id is not None and subject.may(Permission.RUNS_READ, Resource(ResourceKind.WORKFLOW, run.workflow_id))
