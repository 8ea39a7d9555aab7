"""Listing what runs wait for, over all runs of a tenant."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, or_, select

from agentflow.errors import Malformed
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.kit import json
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor
from agentflow.runtime.interrupts.records import InterruptKind, InterruptStatus
from agentflow.runtime.interrupts.store import COLUMNS, to_interrupt
from agentflow.runtime.records.repository import IN_SIGHT, sight_of
from agentflow.runtime.records.statements import INTERRUPTS, RUNS, one_of
from agentflow.runtime.runs.answers import InterruptNotFound, shown_hash
from agentflow.runtime.runs.interrupt_schemas import Interrupt
from agentflow.runtime.states import TERMINAL, RunStatus

SORTABLE = ("created_at",)
_ENDED = [status.value for status in TERMINAL]
_QUERY = select(*COLUMNS, RUNS.c.workflow_id, RUNS.c.workflow_name, RUNS.c.status).join_from(
    INTERRUPTS, RUNS, RUNS.c.id == INTERRUPTS.c.run_id
)
_ME = "me"


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """Which interrupts to list; None or empty means any.

    Attributes:
        status: states, any of which matches; an open one of a run that has ended is not open.
        kind: what is waited for, any of which matches.
        assignee: ``me`` for what the caller is asked, by name or because everybody is; else one assignee as it is written.
        workflow: id or name of the workflow.
        run_id: interrupts of one run.
    """

    status: Sequence[InterruptStatus] = ()
    kind: Sequence[InterruptKind] = ()
    assignee: str | None = None
    workflow: str | None = None
    run_id: str | None = None


async def list_interrupts(database: Database, subject: Subject, which: InboxFilter, page: PageRequest) -> Page[Interrupt]:
    """Return one page of a tenant's interrupts, newest first unless sorted otherwise.

    Raises:
        Malformed: a cursor of another list.
    """
    where, sight = _where(subject, which), sight_of(subject)
    if sight is not None:
        where.append(_in_sight(subject))
    descending = not (page.sort or "").endswith(":asc")
    order = INTERRUPTS.c.id.desc() if descending else INTERRUPTS.c.id
    query = _QUERY.where(*where).order_by(order).limit(page.limit + 1)
    if page.cursor:
        last = _last(page.cursor)
        query = query.where(INTERRUPTS.c.id < last if descending else INTERRUPTS.c.id > last)
    elif page.page > 1:
        query = query.offset((page.page - 1) * page.limit)
    async with database.reading(subject.tenant_id) as session:
        rows = (await session.execute(query, sight)).all()
        counted = select(func.count()).select_from(INTERRUPTS).join(RUNS, RUNS.c.id == INTERRUPTS.c.run_id).where(*where)
        total = await session.scalar(counted, sight) if page.count else None
    items = [_wire(tuple(row)) for row in rows[: page.limit]]
    return Page(items, encode_cursor(["interrupts", items[-1].id]) if len(rows) > page.limit else None, total)


async def get_interrupt(database: Database, subject: Subject, interrupt_id: str) -> Interrupt:
    """Return an interrupt of the subject's tenant.

    Raises:
        InterruptNotFound: the tenant has no such interrupt.
    """
    query, sight = _QUERY.where(INTERRUPTS.c.tenant_id == subject.tenant_id, INTERRUPTS.c.id == interrupt_id), sight_of(subject)
    row = await database.read_one(query if sight is None else query.where(_in_sight(subject)), sight, subject.tenant_id)
    if row is None:
        raise InterruptNotFound(f"There is no interrupt {interrupt_id}.", hint="GET /api/v1/interrupts lists what waits for an answer.")
    return _wire(tuple(row))


def _where(subject: Subject, which: InboxFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [INTERRUPTS.c.tenant_id == subject.tenant_id]
    if which.status:
        where.append(one_of(INTERRUPTS.c.status, *which.status))
        if InterruptStatus.OPEN in which.status:
            where.append(or_(INTERRUPTS.c.status != InterruptStatus.OPEN.value, RUNS.c.status.not_in(_ENDED)))
    if which.kind:
        where.append(INTERRUPTS.c.kind.in_([kind.value for kind in which.kind]))
    if which.run_id:
        where.append(INTERRUPTS.c.run_id == which.run_id)
    if which.workflow:
        where.append(RUNS.c.workflow_id == which.workflow if is_id(which.workflow) else RUNS.c.workflow_name == which.workflow)
    if which.assignee:
        text = cast(INTERRUPTS.c.assignees, Text)
        everybody = [INTERRUPTS.c.assignees.is_(None), text == "[]"] if which.assignee == _ME else []
        where.append(or_(_asked(subject.names if which.assignee == _ME else {which.assignee}), *everybody))
    return where


def _asked(names: Collection[str]) -> ColumnElement[bool]:
    # Assignees are stored as a JSON list of texts; a name stands in it as a whole, in quotes.
    text = cast(INTERRUPTS.c.assignees, Text)
    return or_(*(text.contains(json.dumps(name), autoescape=True) for name in sorted(names)))


def _in_sight(subject: Subject) -> ColumnElement[bool]:
    """Leave out what belongs to private workflows of others, unless the caller is asked by name."""
    return or_(IN_SIGHT, _asked(subject.names))


def _last(cursor: str) -> str:
    try:
        made_for, last = decode_cursor(cursor, 2)
    except InvalidCursor as error:
        raise Malformed(str(error), hint="Leave the cursor away to start from the beginning.") from error
    if made_for != "interrupts" or not isinstance(last, str) or not is_id(last):
        raise Malformed("The cursor belongs to another list or order.", hint="Leave the cursor away to start from the beginning.")
    return last


def _wire(row: Sequence[Any]) -> Interrupt:
    workflow_id, workflow_name, run_status = row[len(COLUMNS) :]
    found = to_interrupt(row[: len(COLUMNS)])
    if found.status is InterruptStatus.OPEN and RunStatus(run_status).is_terminal:
        found.status = InterruptStatus.CANCELLED
    answer = found.answer or {}
    return Interrupt.model_construct(
        id=found.id,
        run_id=found.run_id,
        workflow_id=workflow_id,
        workflow_name=workflow_name,
        node_id=found.key,
        iteration=found.iteration,
        kind=found.kind,
        status=found.status,
        request=found.request,
        shown_hash=shown_hash(found),
        assignees=found.assignees or [],
        expires_at=found.expires_at,
        escalate_at=found.escalate_at,
        decision=answer.get("decision"),
        values=answer.get("values"),
        comment=answer.get("comment"),
        answered_by=found.answered_by,
        answered_at=found.answered_at,
        created_at=found.created_at,
    )
