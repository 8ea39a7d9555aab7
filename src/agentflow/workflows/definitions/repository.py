"""Every query over stored workflows; each is scoped to the subject's tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, bindparam, case, cast, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Conflict, Malformed, NotFound, PreconditionFailed
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.db.lookup import Lookup
from agentflow.infra.db.repository import has_label, holds_text, narrowed, scoped
from agentflow.kit.ids import is_id
from agentflow.kit.pagination import InvalidCursor, Page, PageRequest, decode_cursor, encode_cursor
from agentflow.workflows.definitions.edit import edge_ids
from agentflow.workflows.definitions.models import WorkflowEdgeRow, WorkflowNodeRow, WorkflowRow
from agentflow.workflows.definitions.visibility import Visibility, in_sight, shared_with
from agentflow.workflows.versions.models import VersionRow

MAX_NUMBER = 2**31 - 1
"""Largest number of a version that the database can hold."""


class WorkflowNotFound(NotFound):
    """There is no such workflow, or it belongs to another tenant."""

    code, title = "WORKFLOW_NOT_FOUND", "Workflow not found"


class VersionNotFound(NotFound):
    """The workflow has no such version."""

    code, title = "VERSION_NOT_FOUND", "Version not found"


class AmbiguousName(Conflict):
    """Several workflows have this name; only an id tells them apart."""

    code, title = "AMBIGUOUS_NAME", "Ambiguous name"


@dataclass(frozen=True, slots=True)
class WorkflowFilter:
    """Which workflows to list; None means any.

    Attributes:
        status: ``active`` or ``archived``; ``deleted`` lists those in the bin.
        tag: workflows with this label.
        q: text in name or description.
        visibility: how far it can be seen.
        owner: ``me`` for one's own, ``others`` for those that others shared with the caller one by one.
    """

    status: str | None = None
    tag: str | None = None
    q: str | None = None
    visibility: str | None = None
    owner: str | None = None


_IS_CURRENT = and_(VersionRow.workflow_id == WorkflowRow.id, VersionRow.number == WorkflowRow.version)
_WITH_SPEC = select(*WorkflowRow.__table__.columns, VersionRow.spec, VersionRow.spec_hash).join_from(WorkflowRow, VersionRow, _IS_CURRENT)
"""Workflows with what their current versions say; built once: building so many columns takes longer than running it."""
_CURRENT = Lookup(
    _WITH_SPEC.where(
        WorkflowRow.tenant_id == bindparam("tenant_id"),
        VersionRow.tenant_id == bindparam("tenant_id"),
        WorkflowRow.id == bindparam("id"),
        WorkflowRow.deleted_at.is_(None),
    )
)
_SORTS: dict[str, Any] = {"created_at": WorkflowRow.id, "updated_at": WorkflowRow.updated_at, "name": WorkflowRow.name}
SORTABLE = tuple(_SORTS)
"""What workflows can be sorted by."""


async def exists(session: AsyncSession, subject: Subject, workflow_id: str) -> bool:
    """Tell whether the tenant has a workflow of this id."""
    query = scoped(WorkflowRow, subject.tenant_id).with_only_columns(WorkflowRow.id)
    return (await session.execute(query.where(WorkflowRow.id == workflow_id, WorkflowRow.deleted_at.is_(None)))).first() is not None


async def find_current(database: Database, subject: Subject, workflow_id: str) -> Any:
    """Return a workflow of the tenant with what its current version says: the columns of both; whether the caller sees it is to be asked.

    Raises:
        WorkflowNotFound: there is none.
    """
    row = await database.read_one(_CURRENT, {"tenant_id": subject.tenant_id, "id": workflow_id}, subject.tenant_id)
    if row is None:
        raise not_found(workflow_id)
    return row


async def find(
    session: AsyncSession, subject: Subject, ref: str, *, deleted: bool = False, needs: Permission | None = Permission.WORKFLOWS_READ
) -> WorkflowRow:
    """Return a workflow by id or name; to whom only some are granted with ``needs``, the others are not there.

    Raises:
        WorkflowNotFound: there is none.
        AmbiguousName: several have the name.
    """
    by = WorkflowRow.id == ref if is_id(ref) else WorkflowRow.name == ref
    there = WorkflowRow.deleted_at.is_not(None) if deleted else WorkflowRow.deleted_at.is_(None)
    query = scoped(WorkflowRow, subject.tenant_id).where(by, there, *([] if needs is None else in_sight(subject, needs))).limit(2)
    rows = (await session.execute(query)).scalars().all()
    if not rows:
        raise not_found(ref)
    if len(rows) > 1:
        raise AmbiguousName(f"Several workflows are called {ref}.", hint="Name it by its id.")
    return rows[0]


def not_found(ref: str) -> WorkflowNotFound:
    """Return the error for a workflow that is not there, or not for the caller."""
    return WorkflowNotFound(f"There is no workflow {ref}.", hint="GET /api/v1/workflows lists the workflows you can see.")


async def list_page(session: AsyncSession, subject: Subject, which: WorkflowFilter, page: PageRequest) -> Page[Any]:
    """Return one page of workflows with what their current versions say, newest first unless sorted otherwise: the columns of both.

    Raises:
        Malformed: unknown sort field, or a cursor of another list.
    """
    name, descending = _sort(page.sort)
    column = _SORTS[name]
    where = [*_where(subject, which), *in_sight(subject, Permission.WORKFLOWS_READ)]
    query = (
        narrowed(_WITH_SPEC, WorkflowRow, subject.tenant_id).where(VersionRow.tenant_id == subject.tenant_id, *where).limit(page.limit + 1)
    )
    query = query.order_by(*((column.desc(), WorkflowRow.id.desc()) if descending else (column, WorkflowRow.id)))
    if page.cursor:
        query = query.where(await _behind(session, subject, name, page.cursor, descending=descending))
    elif page.page > 1:
        query = query.offset((page.page - 1) * page.limit)
    rows = list((await session.execute(query)).all())
    total = None
    if page.count:
        counted = scoped(WorkflowRow, subject.tenant_id).where(*where).with_only_columns(func.count())
        total = await session.scalar(counted)
    more = len(rows) > page.limit
    return Page(rows[: page.limit], encode_cursor([name, rows[page.limit - 1].id]) if more else None, total)


def _where(subject: Subject, which: WorkflowFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = [
        WorkflowRow.deleted_at.is_not(None) if which.status == "deleted" else WorkflowRow.deleted_at.is_(None)
    ]
    if which.status in ("active", "archived"):
        where.append(WorkflowRow.status == which.status)
    elif which.status not in (None, "deleted"):
        raise Malformed(f"There is no workflow status {which.status}.", hint="Use active, archived or deleted.")
    if which.tag:
        where.append(has_label(WorkflowRow.tags, which.tag))
    if which.visibility:
        where.append(WorkflowRow.visibility == which.visibility)
    if which.owner == "me":
        where.append(WorkflowRow.owner_id == subject.user_id)
    elif which.owner == "others":
        where += [WorkflowRow.owner_id != subject.user_id, WorkflowRow.id.in_(shared_with(subject, Permission.WORKFLOWS_READ))]
    if which.q:
        where.append(or_(holds_text(WorkflowRow.name, which.q), holds_text(WorkflowRow.description, which.q)))
    return where


def _sort(sort: str | None) -> tuple[str, bool]:
    name, _, direction = (sort or "created_at:desc").partition(":")
    if name not in _SORTS or direction not in ("", "asc", "desc"):
        raise Malformed(f"Workflows cannot be sorted by {sort}.", hint=f"Sort by one of {', '.join(_SORTS)}, with :asc or :desc.")
    return name, direction == "desc"


async def _behind(session: AsyncSession, subject: Subject, name: str, cursor: str, *, descending: bool) -> ColumnElement[bool]:
    try:
        made_for, last = decode_cursor(cursor, 2)
    except InvalidCursor as error:
        raise Malformed(str(error), hint="Leave the cursor away to start from the beginning.") from error
    if made_for != name or not isinstance(last, str) or not is_id(last):
        raise Malformed("The cursor belongs to another list or order.", hint="Leave the cursor away to start from the beginning.")
    beyond_id = WorkflowRow.id < last if descending else WorkflowRow.id > last
    column = _SORTS[name]
    if column is WorkflowRow.id:
        return beyond_id
    row = (await session.execute(scoped(WorkflowRow, subject.tenant_id).where(WorkflowRow.id == last))).scalar_one_or_none()
    if row is None:
        raise Malformed("The workflow that the cursor points to is gone.", hint="Leave the cursor away to start from the beginning.")
    value = getattr(row, name)
    return or_(column < value if descending else column > value, and_(column == value, beyond_id))


async def specs_holding(session: AsyncSession, tenant_id: str, text: str) -> Sequence[tuple[str, str, Any]]:
    """Return id, name and current specification of the tenant's workflows whose specification holds a text; none from the bin.

    Who asks is not known here, so private ones are not named.
    """
    query = scoped(WorkflowRow, tenant_id).join(VersionRow, _IS_CURRENT).where(WorkflowRow.deleted_at.is_(None))
    query = query.where(cast(VersionRow.spec, Text).contains(text, autoescape=True)).order_by(WorkflowRow.name)
    name = case((WorkflowRow.visibility == Visibility.PRIVATE.value, "(private)"), else_=WorkflowRow.name).label("name")
    found = await session.execute(query.with_only_columns(WorkflowRow.id, name, VersionRow.spec))
    return [(row.id, row.name, row.spec) for row in found]


async def find_version(session: AsyncSession, subject: Subject, workflow_id: str, number: int) -> VersionRow:
    """Return one version.

    Raises:
        VersionNotFound: there is none of this number.
    """
    query = scoped(VersionRow, subject.tenant_id).where(VersionRow.workflow_id == workflow_id, VersionRow.number == number)
    row = (await session.execute(query)).scalar_one_or_none()
    if row is None:
        raise VersionNotFound(f"The workflow has no version {number}.", hint="GET …/versions lists them.")
    return row


async def list_versions(session: AsyncSession, subject: Subject, workflow_id: str, page: PageRequest) -> Page[VersionRow]:
    """Return one page of versions, newest first unless ``number:asc`` is asked for.

    Raises:
        Malformed: a cursor of another list.
    """
    ascending = page.sort in ("number", "number:asc")
    order = VersionRow.number if ascending else VersionRow.number.desc()
    query = scoped(VersionRow, subject.tenant_id).where(VersionRow.workflow_id == workflow_id).order_by(order)
    if page.cursor:
        try:
            (last,) = decode_cursor(page.cursor, 1)
        except InvalidCursor as error:
            raise Malformed(str(error)) from error
        if type(last) is not int or abs(last) > MAX_NUMBER:
            raise Malformed("The cursor belongs to another list.")
        query = query.where(VersionRow.number > last if ascending else VersionRow.number < last)
    elif page.page > 1:
        query = query.offset((page.page - 1) * page.limit)
    rows = list((await session.execute(query.limit(page.limit + 1))).scalars().all())
    total = None
    if page.count:
        counted = scoped(VersionRow, subject.tenant_id).where(VersionRow.workflow_id == workflow_id)
        total = await session.scalar(counted.with_only_columns(func.count()))
    more = len(rows) > page.limit
    return Page(rows[: page.limit], encode_cursor([rows[page.limit - 1].number]) if more else None, total)


async def save(
    session: AsyncSession, subject: Subject, row: dict[str, Any], version: dict[str, Any] | None, before: WorkflowRow | None
) -> None:
    """Write a workflow, and with a new version its node and edge rows; all in the caller's transaction.

    Raises:
        PreconditionFailed: somebody changed the workflow since ``before`` was read.
    """
    if before is None:
        await session.execute(insert(WorkflowRow).values(row))
    else:
        unchanged = (WorkflowRow.updated_at == before.updated_at, WorkflowRow.version == before.version)
        mine = (WorkflowRow.tenant_id == subject.tenant_id, WorkflowRow.id == before.id)
        changed = await session.execute(update(WorkflowRow).where(*mine, *unchanged).values(row).returning(WorkflowRow.id))
        if changed.scalar_one_or_none() is None:
            raise PreconditionFailed("The workflow was changed in the meantime.", hint="Read it again and repeat the change.")
    if version is not None:
        await session.execute(insert(VersionRow).values(version))
        await _save_graph(session, subject, version["workflow_id"], version["spec"])


async def _save_graph(session: AsyncSession, subject: Subject, workflow_id: str, spec: Any) -> None:
    owned = {"tenant_id": subject.tenant_id, "workflow_id": workflow_id}
    await session.execute(delete(WorkflowNodeRow).where(WorkflowNodeRow.workflow_id == workflow_id))
    await session.execute(delete(WorkflowEdgeRow).where(WorkflowEdgeRow.workflow_id == workflow_id))
    nodes = [
        {**owned, "node_id": node["id"], "position": place, "type": node["type"], "config": node.get("config", {})}
        for place, node in enumerate(spec["nodes"])
    ]
    edges = spec.get("edges", ())
    ways = [
        {**owned, "edge_id": edge_id, "position": place, "source": edge["from"], "targets": edge["to"]}
        for place, (edge_id, edge) in enumerate(zip(edge_ids(edges), edges, strict=True))
    ]
    if nodes:
        await session.execute(insert(WorkflowNodeRow), nodes)
    if ways:
        await session.execute(insert(WorkflowEdgeRow), ways)


async def graph_rows(session: AsyncSession, subject: Subject, workflow_id: str) -> tuple[list[WorkflowNodeRow], list[WorkflowEdgeRow]]:
    """Return the node and edge rows of a workflow, in document order."""
    nodes = scoped(WorkflowNodeRow, subject.tenant_id).where(WorkflowNodeRow.workflow_id == workflow_id).order_by(WorkflowNodeRow.position)
    edges = scoped(WorkflowEdgeRow, subject.tenant_id).where(WorkflowEdgeRow.workflow_id == workflow_id).order_by(WorkflowEdgeRow.position)
    return list((await session.execute(nodes)).scalars().all()), list((await session.execute(edges)).scalars().all())
