"""Listing runs and their node runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select

from agentflow.errors import Malformed
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.kit import json
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.records.repository import IN_SIGHT, NODE_COLUMNS, RUN_COLUMNS, sight_of, to_node, to_run
from agentflow.runtime.records.statements import NODE_RUNS, RUNS
from agentflow.runtime.states import TERMINAL, RunStatus

_SORTS: dict[str, ColumnElement[Any]] = {
    "created_at": RUNS.c.id,  # UUIDv7 sorts by the time of creation
    "workflow_name": RUNS.c.workflow_name,
    "status": RUNS.c.status,
    "priority": RUNS.c.priority,
}
SORTABLE = tuple(_SORTS)
"""What runs can be sorted by."""
_RUNS = select(*RUN_COLUMNS)
"""Built once: building so many columns takes longer than running it."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to list; None means any.

    Attributes:
        status: states, any of which matches.
        workflow_id: runs of one stored workflow.
        tag: runs with this label.
        q: text in the workflow's name.
        created_after: runs accepted at or after this time.
        created_before: runs accepted before this time.
        parent_run_id: children of a run.
        dead_letter: runs that were given up because their workers died of them, or all others.
    """

    status: Sequence[RunStatus] = ()
    workflow_id: str | None = None
    tag: str | None = None
    q: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    parent_run_id: str | None = None
    dead_letter: bool | None = None


async def list_runs(database: Database, subject: Subject, which: RunFilter, page: PageRequest) -> Page[RunRecord]:
    """Return one page of a tenant's runs.

    Raises:
        Malformed: unknown sort field, or a cursor of another list.
    """
    where = _where(subject, which)
    if where is None:
        return Page([], None, 0 if page.count else None)
    sight = sight_of(subject)
    if sight is not None:
        where.append(IN_SIGHT)
    name, descending = _sort(page.sort)
    column = _SORTS[name]
    query = _RUNS.where(*where)
    query = query.order_by(*((column.desc(), RUNS.c.id.desc()) if descending else (column, RUNS.c.id))).limit(page.limit + 1)
    if page.cursor:
        query = query.where(_behind(column, name, page.cursor, descending=descending))
    elif page.page > 1:
        query = query.offset((page.page - 1) * page.limit)
    # Who asks for the children of a run has just heard of them.
    opened = database.listing if which.parent_run_id is None else database.reading
    async with opened(subject.tenant_id) as session:
        rows = (await session.execute(query, sight)).all()
        total = await session.scalar(select(func.count()).select_from(RUNS).where(*where), sight) if page.count else None
    records = [to_run(row) for row in rows[: page.limit]]
    more = len(rows) > page.limit
    return Page(records, encode_cursor([name, _key(records[-1], name), records[-1].id]) if more else None, total)


async def list_node_runs(database: Database, run: RunRecord) -> list[NodeRecord]:
    """Return the node runs of a run in the order they began."""
    async with database.reading(run.tenant_id) as session:
        rows = await session.execute(
            select(*NODE_COLUMNS).where(NODE_RUNS.c.tenant_id == run.tenant_id, NODE_RUNS.c.run_id == run.id).order_by(NODE_RUNS.c.position)
        )
        return [to_node(row) for row in rows.all()]


def _where(subject: Subject, which: RunFilter) -> list[ColumnElement[bool]] | None:
    """Return the conditions of a filter, or None when nothing can match."""
    if any(ref is not None and not is_id(ref) for ref in (which.workflow_id, which.parent_run_id)):
        return None
    where: list[ColumnElement[bool]] = [RUNS.c.tenant_id == subject.tenant_id]
    if which.status:
        where.append(RUNS.c.status.in_([status.value for status in which.status]))
    if which.workflow_id:
        where.append(RUNS.c.workflow_id == which.workflow_id)
    if which.parent_run_id:
        where.append(RUNS.c.parent_run_id == which.parent_run_id)
    if which.dead_letter is not None:
        where.append(RUNS.c.dead_letter_at.is_not(None) if which.dead_letter else RUNS.c.dead_letter_at.is_(None))
    if which.q:
        where.append(func.lower(RUNS.c.workflow_name).contains(which.q.lower(), autoescape=True))
    if which.tag:
        # Tags are stored as a JSON list of texts; the label stands in it as a whole, in quotes.
        where.append(_as_text(RUNS.c.tags).contains(_quoted(which.tag), autoescape=True))
    if which.created_after:
        where.append(RUNS.c.created_at >= which.created_after)
    if which.created_before:
        where.append(RUNS.c.created_at < which.created_before)
    return where


def _sort(sort: str | None) -> tuple[str, bool]:
    name, _, direction = (sort or "created_at:desc").partition(":")
    if name not in _SORTS or direction not in ("", "asc", "desc"):
        raise Malformed(f"Runs cannot be sorted by {sort}.", hint=f"Sort by one of {', '.join(_SORTS)}, with :asc or :desc.")
    return name, direction == "desc"


def _key(record: RunRecord, name: str) -> Any:
    return {"created_at": record.id, "status": record.status.value}.get(name, getattr(record, name))


def _behind(column: ColumnElement[Any], name: str, cursor: str, *, descending: bool) -> ColumnElement[bool]:
    try:
        made_for, value, run_id = decode_cursor(cursor, 3)
    except InvalidCursor as error:
        raise Malformed(str(error), hint="Leave the cursor away to start from the beginning.") from error
    if made_for != name or not isinstance(run_id, str) or not is_id(run_id) or type(value) not in (str, int):
        raise Malformed("The cursor belongs to another list or order.", hint="Leave the cursor away to start from the beginning.")
    if name == "created_at":
        return RUNS.c.id < run_id if descending else RUNS.c.id > run_id
    beyond = column < value if descending else column > value
    return or_(beyond, and_(column == value, RUNS.c.id < run_id if descending else RUNS.c.id > run_id))


def _as_text(column: ColumnElement[Any]) -> ColumnElement[str]:
    return cast(column, Text)


def _quoted(tag: str) -> str:
    return json.dumps(tag)


async def live_children(database: Database, run_id: str) -> list[RunRecord]:
    """Return the children of a run that have not ended."""
    ended = [status.value for status in TERMINAL]
    async with database.reading() as session:
        rows = await session.execute(select(*RUN_COLUMNS).where(RUNS.c.parent_run_id == run_id, RUNS.c.status.not_in(ended)))
        return [to_run(row) for row in rows.all()]
