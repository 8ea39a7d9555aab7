"""The bulk statements of the runtime, for the group committer. All can be repeated: a commit whose outcome is unknown is sent again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from agentflow.infra.db.bulk import BulkUpdate
from agentflow.infra.db.group_commit import Guard, Statement
from agentflow.runtime.records.models import EventPageRow, NodeCacheRow, NodeRunRow, RunRow, RunSpecRow

RUNS: Table = RunRow.__table__  # type: ignore[assignment]  # declarative tables are Tables
NODE_RUNS: Table = NodeRunRow.__table__  # type: ignore[assignment]
EVENTS: Table = EventPageRow.__table__  # type: ignore[assignment]
RUN_SPECS: Table = RunSpecRow.__table__  # type: ignore[assignment]
NODE_CACHE: Table = NodeCacheRow.__table__  # type: ignore[assignment]

RUN_CHANGES = ("status", "outputs", "error", "usage", "started_at", "ended_at")
"""Columns of a run that its owner writes while driving it."""


class Statements:
    """The statements in the dialect of one database."""

    def __init__(self, *, is_sqlite: bool) -> None:
        insert: Any = sqlite.insert if is_sqlite else postgresql.insert
        self.put_spec = Statement("put_spec", 0, insert(RUN_SPECS).on_conflict_do_nothing(), unique_by=("tenant_id", "spec_hash"))
        self.add_run = Statement("add_run", 1, insert(RUNS))
        self.change_run = BulkUpdate("change_run", 2, RUNS, "id", RUN_CHANGES)
        self.put_node = Statement("put_node", 3, _upsert(insert(NODE_RUNS), NODE_RUNS, ("run_id", "key", "iteration")))
        self.add_events = Statement("add_events", 4, insert(EVENTS).on_conflict_do_nothing())
        cached = ("tenant_id", "key")
        self.put_cache = Statement("put_cache", 5, _upsert(insert(NODE_CACHE), NODE_CACHE, cached), unique_by=cached)


def _upsert(insert: Any, table: Table, keys: Sequence[str]) -> Any:
    changed = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in {*keys, "tenant_id"}}
    return insert.on_conflict_do_update(index_elements=list(keys), set_=changed)


def lost_guards(connection: Connection, guards: Sequence[Guard]) -> set[Guard]:
    """Return the guards whose run has another owner by now; locks the rows, so that no owner changes before the commit."""
    keys = [guard.key for guard in guards]
    query = select(RUNS.c.id, RUNS.c.fence).where(RUNS.c.id.in_(keys)).order_by(RUNS.c.id).with_for_update()
    held = dict(connection.execute(query).all())
    return {guard for guard in guards if held.get(guard.key) != guard.token}
