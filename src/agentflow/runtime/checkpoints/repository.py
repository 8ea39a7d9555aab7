"""Queries over checkpoints, each scoped to one tenant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import Checkpoint, writes_sort_key
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, bindparam, select

from agentflow.infra.db.engine import Database
from agentflow.runtime.checkpoints.codec import unpack
from agentflow.runtime.checkpoints.delta import Change, State, decode, rebuild
from agentflow.runtime.checkpoints.statements import CHECKPOINTS, WRITES

PendingWrites = list[tuple[str, str, Any]]


@dataclass(frozen=True, slots=True)
class Stored:
    """One row of the table of checkpoints."""

    thread_id: str
    checkpoint_ns: str
    checkpoint_id: str
    parent_id: str | None
    body: bytes
    run_id: str | None = None
    """LangGraph's run; read only from Redis."""


@dataclass(slots=True)
class Lineage:
    """Rows of one thread and namespace, by id, with all ancestors that exist; decodes each row once."""

    rows: Mapping[str, Stored]
    _changes: dict[str, Change] = field(default_factory=dict)

    def change(self, checkpoint_id: str) -> Change:
        """Return the decoded body of a row."""
        change = self._changes.get(checkpoint_id)
        if change is None:
            change = self._changes[checkpoint_id] = decode(self.rows[checkpoint_id].body)
        return change

    def rebuild(self, checkpoint_id: str) -> tuple[Checkpoint, State]:
        """Return a full checkpoint and what its children build upon.

        Raises:
            RefusedBlob: a stored body is damaged or an ancestor is missing.
        """
        return rebuild(checkpoint_id, [self.change(ancestor) for ancestor in reversed(list(self._ancestry(checkpoint_id)))])

    def _ancestry(self, checkpoint_id: str) -> Iterator[str]:
        visited: set[str] = set()
        row = self.rows.get(checkpoint_id)
        while row is not None and row.checkpoint_id not in visited:
            visited.add(row.checkpoint_id)
            yield row.checkpoint_id
            row = self.rows.get(row.parent_id) if row.parent_id else None


def in_thread(table: Table, tenant_id: str, thread_id: str, checkpoint_ns: str | None = None) -> list[ColumnElement[bool]]:
    """Return the conditions that select one thread of a tenant, in one namespace or in all."""
    where = [table.c.tenant_id == tenant_id, table.c.thread_id == thread_id]
    return where if checkpoint_ns is None else [*where, table.c.checkpoint_ns == checkpoint_ns]


def stored_columns() -> Select[Any]:
    """Return a select of what ``Stored`` holds."""
    c = CHECKPOINTS.c
    return select(c.thread_id, c.checkpoint_ns, c.checkpoint_id, c.parent_id, c.body)


def _with_ancestors(which: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the checkpoint of a thread and namespace that is ``which``, and all its ancestors."""
    c = CHECKPOINTS.c
    # UNION, not UNION ALL: it ends even if rows name each other as parents.
    chain = select(c.checkpoint_id, c.parent_id).where(*_HERE, which).cte("chain", recursive=True)
    chain = chain.union(select(c.checkpoint_id, c.parent_id).where(*_HERE, c.checkpoint_id == chain.c.parent_id))
    return stored_columns().join(chain, chain.c.checkpoint_id == c.checkpoint_id).where(*_HERE)


# Built once: building them takes longer than running them.
_HERE = [CHECKPOINTS.c[name] == bindparam(name) for name in ("tenant_id", "thread_id", "checkpoint_ns")]
_NEWEST = _with_ancestors(
    CHECKPOINTS.c.checkpoint_id
    == select(CHECKPOINTS.c.checkpoint_id).where(*_HERE).order_by(CHECKPOINTS.c.checkpoint_id.desc()).limit(1).scalar_subquery()
)
_ONE = _with_ancestors(CHECKPOINTS.c.checkpoint_id == bindparam("checkpoint_id"))


class CheckpointRepository:
    """Reads the checkpoints of one tenant."""

    def __init__(self, database: Database, tenant_id: str) -> None:
        self._database = database
        self._tenant_id = tenant_id

    async def has_any(self, thread_id: str) -> bool:
        """Tell whether a thread has a checkpoint in its root namespace."""
        where = in_thread(CHECKPOINTS, self._tenant_id, thread_id, "")
        async with self._database.reading() as session:
            return await session.scalar(select(CHECKPOINTS.c.checkpoint_id).where(*where).limit(1)) is not None

    async def lineage(self, thread_id: str, checkpoint_ns: str, checkpoint_id: str | None) -> tuple[str, Lineage] | None:
        """Return a checkpoint (the newest for None) with its ancestors in one query, or None."""
        names = {"tenant_id": self._tenant_id, "thread_id": thread_id, "checkpoint_ns": checkpoint_ns}
        query = _NEWEST
        if checkpoint_id is not None:
            query, names["checkpoint_id"] = _ONE, checkpoint_id

        def load(connection: Connection) -> dict[str, Stored]:
            return {row.checkpoint_id: Stored(*row) for row in connection.execute(query, names).all()}

        rows = await self._database.read(load)
        if not rows:
            return None
        return checkpoint_id or max(rows), Lineage(rows)

    async def threads(self) -> list[str]:
        """Return the ids of all threads."""
        query = select(CHECKPOINTS.c.thread_id).where(CHECKPOINTS.c.tenant_id == self._tenant_id).distinct()
        async with self._database.reading() as session:
            return sorted((await session.scalars(query.order_by(CHECKPOINTS.c.thread_id))).all())

    async def thread(self, thread_id: str, checkpoint_ns: str | None) -> dict[str, Lineage]:
        """Return every checkpoint of a thread, by namespace."""
        query = stored_columns().where(*in_thread(CHECKPOINTS, self._tenant_id, thread_id, checkpoint_ns))
        spaces: dict[str, dict[str, Stored]] = {}
        async with self._database.reading() as session:
            for row in (await session.execute(query)).all():
                spaces.setdefault(row.checkpoint_ns, {})[row.checkpoint_id] = Stored(*row)
        return {namespace: Lineage(rows) for namespace, rows in sorted(spaces.items())}

    async def pending(self, thread_id: str, checkpoint_ns: str, checkpoint_ids: Sequence[str]) -> dict[str, PendingWrites]:
        """Return the pending writes of checkpoints, in the order in which LangGraph applies them."""
        where = in_thread(WRITES, self._tenant_id, thread_id, checkpoint_ns)
        if len(checkpoint_ids) == 1:
            where.append(WRITES.c.checkpoint_id == checkpoint_ids[0])
        rows = await self._database.read(lambda connection: _writes(connection, where))
        found: dict[str, PendingWrites] = {checkpoint_id: [] for checkpoint_id in checkpoint_ids}
        for row in sorted(rows, key=lambda row: writes_sort_key(row.task_path, row.task_id, row.idx)):
            if row.checkpoint_id in found:
                found[row.checkpoint_id].append((row.task_id, row.channel, unpack(row.value)))
        return found


def _writes(connection: Connection, where: Sequence[ColumnElement[bool]]) -> Sequence[Row[Any]]:
    c = WRITES.c
    query: Select[Any] = select(c.checkpoint_id, c.task_path, c.task_id, c.idx, c.channel, c.value).where(*where)
    rows: Sequence[Row[Any]] = connection.execute(query).all()
    return rows
