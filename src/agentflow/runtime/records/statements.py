"""The bulk statements of the runtime, for the group committer. All can be repeated: a commit whose outcome is unknown is sent again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, Table, Update, any_, bindparam, case, literal_column, select, text
from sqlalchemy.dialects import postgresql, sqlite

from agentflow.infra.audit.models import AuditRow
from agentflow.infra.db.bulk import BulkUpdate
from agentflow.infra.db.group_commit import Guard, Statement
from agentflow.infra.db.types import Id
from agentflow.runtime.records.models import EventPageRow, InterruptRow, NodeCacheRow, NodeRunRow, RunRow, RunSpecRow
from agentflow.runtime.states import RunStatus

RUNS: Table = RunRow.__table__  # type: ignore[assignment]  # declarative tables are Tables
NODE_RUNS: Table = NodeRunRow.__table__  # type: ignore[assignment]
EVENTS: Table = EventPageRow.__table__  # type: ignore[assignment]
RUN_SPECS: Table = RunSpecRow.__table__  # type: ignore[assignment]
NODE_CACHE: Table = NodeCacheRow.__table__  # type: ignore[assignment]

AUDIT: Table = AuditRow.__table__  # type: ignore[assignment]
INTERRUPTS: Table = InterruptRow.__table__  # type: ignore[assignment]

PARKING = ("lease_owner", "lease_until", "wake_at", "waiting_since", "signals_seen")
"""Columns of a run that change when it begins to wait."""
UNPARKING = ("wake_at", "waiting_since", "signals_seen", "deadline_at")
"""Columns of a run that change when it goes on after waiting."""
TRIES = ("tries", "progress")
"""Columns of a run that its new owner writes when nodes had finished since the last one."""
RUN_CHANGES = ("status", "outputs", "outputs_ref", "error", "usage", "started_at", "ended_at")
"""Columns of a run that its owner writes while driving it."""


def one_of(column: ColumnElement[str], *values: str) -> ColumnElement[bool]:
    """Match one of some constants, which stand in the text of the statement.

    A database uses a partial index only where the condition of the index is to be read in the query; what is bound later is not.
    """
    texts: list[ColumnElement[str]] = [literal_column(f"'{value}'") for value in values]
    return column == texts[0] if len(texts) == 1 else column.in_(texts)


LIVE = one_of(RUNS.c.status, RunStatus.QUEUED, RunStatus.RUNNING)
"""Runs that somebody drives or should drive: the condition of ``ix_runs_live``."""
PARKED = one_of(RUNS.c.status, RunStatus.WAITING, RunStatus.NEEDS_ATTENTION)
"""Runs that wait and that nobody drives: the condition of ``ix_runs_parked`` and, with the next one, of ``ix_runs_signalled``."""
SIGNALLED = text("signals >= 0 AND (signals > signals_seen OR (status = 'needs_attention' AND waiting_since IS NULL))")
"""Runs that were answered while they were being parked, and those that version 0.1 left to a person without storing a question.

That ``signals`` is not negative is always so; said, it leads SQLite to the index."""


SPEC_REFRESH_S = 600.0
"""Seconds after which a process that uses a specification notes so again; retention spares those that were used since."""


class Statements:
    """The statements in the dialect of one database."""

    def __init__(self, *, is_sqlite: bool) -> None:
        insert: Any = sqlite.insert if is_sqlite else postgresql.insert
        self.put_spec = Statement(
            "put_spec", 0, _upsert(insert(RUN_SPECS), RUN_SPECS, ("tenant_id", "spec_hash")), unique_by=("tenant_id", "spec_hash")
        )
        self.add_run = Statement("add_run", 1, insert(RUNS))
        self.change_run = BulkUpdate("change_run", 2, RUNS, "id", RUN_CHANGES)
        self.put_node = Statement("put_node", 3, _upsert(insert(NODE_RUNS), NODE_RUNS, ("run_id", "key", "iteration")))
        self.add_events = Statement("add_events", 4, insert(EVENTS).on_conflict_do_nothing())
        cached = ("tenant_id", "key")
        self.put_cache = Statement("put_cache", 5, _upsert(insert(NODE_CACHE), NODE_CACHE, cached), unique_by=cached)
        self.count_tries = BulkUpdate("count_tries", 6, RUNS, "id", TRIES)
        self.bury_run = BulkUpdate("bury_run", 6, RUNS, "id", ("dead_letter_at",))
        self.park_run = BulkUpdate("park_run", 6, RUNS, "id", PARKING)
        self.unpark_run = BulkUpdate("unpark_run", 6, RUNS, "id", UNPARKING)
        self.signal_run = Statement("signal_run", 8, signalled().where(RUNS.c.id == bindparam("run_id")))
        self.add_interrupt = Statement("add_interrupt", 7, insert(INTERRUPTS).on_conflict_do_nothing())
        self.announce = BulkUpdate("announce", 8, INTERRUPTS, "id", ("announced",))
        self.add_audit = Statement("add_audit", 10, insert(AUDIT))
        self.tell = BulkUpdate("tell", 9, INTERRUPTS, "id", ("told",))


def _upsert(insert: Any, table: Table, keys: Sequence[str]) -> Any:
    changed = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in {*keys, "tenant_id"}}
    return insert.on_conflict_do_update(index_elements=list(keys), set_=changed)


def signalled() -> Update:
    """Return the update that tells runs that something they may wait for has happened; those that are parked are queued again.

    A run that is being parked at this moment sees that ``signals`` grew, or the sweeper does.
    """
    return RUNS.update().values(
        signals=RUNS.c.signals + literal_column("1"),
        attempts=case((PARKED, literal_column("0")), else_=RUNS.c.attempts),
        status=case((PARKED, literal_column(f"'{RunStatus.QUEUED}'")), else_=RUNS.c.status),
    )


_HELD = select(RUNS.c.id, RUNS.c.fence, RUNS.c.lease_owner).order_by(RUNS.c.id).with_for_update()
_HELD_OF_LIST = _HELD.where(RUNS.c.id.in_(bindparam("keys", expanding=True)))
# One text whatever the number of runs: PostgreSQL would prepare a list of each length anew, on each connection.
_HELD_OF_ARRAY = _HELD.where(RUNS.c.id == any_(bindparam("keys", type_=ARRAY(Id()))))


def lost_guards(connection: Connection, guards: Sequence[Guard], locks: Sequence[str]) -> set[Guard]:
    """Return the guards whose run has another owner by now; locks the rows, so that no owner changes before the commit.

    ``locks`` are runs that the transaction will change although others may own them.
    """
    keys = [*(guard.key for guard in guards), *locks]
    query = _HELD_OF_LIST if connection.dialect.name == "sqlite" else _HELD_OF_ARRAY
    held = {key: (fence, owner) for key, fence, owner in connection.execute(query, {"keys": keys}).all()}
    return {guard for guard in guards if not _holds(guard, *held.get(guard.key, (None, None)))}


def _holds(guard: Guard, fence: int | None, owner: str | None) -> bool:
    # A fencing token is a number that grows, and no secret.
    # ast-grep-ignore: no-comparing-secrets
    return guard.token == fence and guard.owner in (None, owner)
