"""Copying and removing checkpoints. What is kept stays readable: a checkpoint that loses its parent is stored whole."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, select, update

from agentflow.runtime.checkpoints.delta import encode
from agentflow.runtime.checkpoints.repository import Lineage, Stored, in_thread, stored_columns
from agentflow.runtime.checkpoints.statements import CHECKPOINTS, WRITES

_CHUNK = 500
"""Ids in one statement; databases bound the number of parameters."""


def copy_thread(connection: Connection, tenant_id: str, source: str, target: str) -> None:
    """Copy all checkpoints and pending writes of one thread to another, which has none yet."""
    for table in (CHECKPOINTS, WRITES):
        columns: list[Any] = [literal(target).label("thread_id") if column.name == "thread_id" else column for column in table.columns]
        rows = select(*columns).where(*in_thread(table, tenant_id, source))
        connection.execute(insert(table).from_select([column.name for column in table.columns], rows))


def delete_threads(connection: Connection, tenant_id: str, thread_ids: Sequence[str]) -> None:
    """Delete every checkpoint and pending write of threads."""
    for chunk in _chunks(thread_ids):
        for table in (CHECKPOINTS, WRITES):
            connection.execute(delete(table).where(table.c.tenant_id == tenant_id, table.c.thread_id.in_(chunk)))


def keep_latest(connection: Connection, tenant_id: str, thread_ids: Sequence[str]) -> None:
    """Delete all checkpoints of threads but the newest of each namespace."""
    for thread_id in thread_ids:
        for lineage in _thread(connection, tenant_id, thread_id):
            _remove(connection, tenant_id, lineage, lineage.rows.keys() - {max(lineage.rows)})


def delete_for_runs(connection: Connection, tenant_id: str, run_ids: Sequence[str]) -> None:
    """Delete the checkpoints whose metadata name one of the LangGraph runs, and their pending writes."""
    c = CHECKPOINTS.c
    doomed: dict[str, set[tuple[str, str]]] = {}
    for chunk in _chunks(run_ids):
        query = select(c.thread_id, c.checkpoint_ns, c.checkpoint_id).where(c.tenant_id == tenant_id, c.run_id.in_(chunk))
        for thread_id, namespace, checkpoint_id in connection.execute(query):
            doomed.setdefault(thread_id, set()).add((namespace, checkpoint_id))
    for thread_id, ids in doomed.items():
        for lineage in _thread(connection, tenant_id, thread_id):
            namespace = next(iter(lineage.rows.values())).checkpoint_ns
            _remove(connection, tenant_id, lineage, {checkpoint_id for space, checkpoint_id in ids if space == namespace})


def _thread(connection: Connection, tenant_id: str, thread_id: str) -> Iterator[Lineage]:
    """Yield the checkpoints of a thread, one namespace at a time; locks them against another clean-up."""
    spaces: dict[str, dict[str, Stored]] = {}
    query = stored_columns().where(*in_thread(CHECKPOINTS, tenant_id, thread_id)).with_for_update()
    for row in connection.execute(query):
        spaces.setdefault(row.checkpoint_ns, {})[row.checkpoint_id] = Stored(*row)
    for rows in spaces.values():
        yield Lineage(rows)


def _remove(connection: Connection, tenant_id: str, lineage: Lineage, doomed: Collection[str]) -> None:
    for row in lineage.rows.values():
        if row.parent_id in doomed and row.checkpoint_id not in doomed:
            _make_whole(connection, tenant_id, lineage, row)
    for chunk in _chunks(sorted(doomed)):
        row = lineage.rows[chunk[0]]
        for table in (CHECKPOINTS, WRITES):
            where = in_thread(table, tenant_id, row.thread_id, row.checkpoint_ns)
            connection.execute(delete(table).where(*where, table.c.checkpoint_id.in_(chunk)))


def _make_whole(connection: Connection, tenant_id: str, lineage: Lineage, row: Stored) -> None:
    checkpoint, _ = lineage.rebuild(row.checkpoint_id)
    body = encode(checkpoint, lineage.change(row.checkpoint_id).metadata, (), None)
    where = (*in_thread(CHECKPOINTS, tenant_id, row.thread_id, row.checkpoint_ns), CHECKPOINTS.c.checkpoint_id == row.checkpoint_id)
    connection.execute(update(CHECKPOINTS).where(*where).values(body=body, parent_id=None))


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
