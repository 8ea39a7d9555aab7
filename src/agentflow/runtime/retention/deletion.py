"""Deleting runs with all that belongs to them: rows first, in one transaction, then their blobs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, delete, insert, select

from agentflow.infra.db.engine import Database
from agentflow.infra.objects.base import ObjectStoreUnavailable
from agentflow.infra.objects.objects import Objects
from agentflow.runtime.checkpoints.statements import CHECKPOINTS, WRITES
from agentflow.runtime.records.statements import AUDIT, RUNS
from agentflow.runtime.retention.selection import Doomed
from agentflow.runtime.states import TERMINAL
from agentflow.runtime.values.references import folder
from agentflow.runtime.values.statements import ARTIFACTS

log = structlog.get_logger(__name__)

_TERMINAL = sorted(status.value for status in TERMINAL)


async def delete_runs(database: Database, objects: Objects, doomed: Sequence[Doomed], said: Mapping[str, Any] | None = None) -> int:
    """Delete ended runs and return how many there were; ``said`` is a record for the audit log, written when there were any.

    A crash between rows and blobs leaves blobs that nothing refers to; they are found by ``leftovers``.
    """

    def work(connection: Connection) -> tuple[int, list[str]]:
        ids = [run.id for run in doomed]
        spilled = list(connection.scalars(select(ARTIFACTS.c.run_id).where(ARTIFACTS.c.run_id.in_(ids)).distinct()))
        drop_checkpoints(connection, doomed)
        # Nodes, events, questions and the rows of large values go with the run, by their foreign keys.
        count = connection.execute(delete(RUNS).where(RUNS.c.id.in_(ids), RUNS.c.status.in_(_TERMINAL))).rowcount
        if count and said is not None:
            connection.execute(insert(AUDIT).values(said))
        return count, spilled

    count, spilled = await database.bulk(work)
    tenants = {run.id: run.tenant_id for run in doomed}
    for run_id in spilled:
        try:
            await objects.delete_folder(folder(tenants[run_id], run_id))
        except ObjectStoreUnavailable as error:
            log.warning("blobs of a deleted run are left for later", run_id=run_id, error=error.message)
    return count


def drop_checkpoints(connection: Connection, runs: Sequence[Doomed]) -> int:
    """Delete the engine's checkpoints of runs and return how many there were."""
    by_tenant = defaultdict(list)
    for run in runs:
        by_tenant[run.tenant_id].append(run.id)
    count = 0
    for tenant_id, ids in by_tenant.items():
        for table in (CHECKPOINTS, WRITES):
            count += connection.execute(delete(table).where(table.c.tenant_id == tenant_id, table.c.thread_id.in_(ids))).rowcount
    return count
