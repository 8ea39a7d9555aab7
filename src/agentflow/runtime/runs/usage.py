"""Counting the runs of a tenant, as its quotas count them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Select, func, select, text

from agentflow.infra.db.engine import Database
from agentflow.kit.ids import first_id
from agentflow.runtime.records.models import RunRow

DAY = timedelta(days=1)
_QUEUED = text("status = 'queued' AND lease_owner IS NULL")
_DRIVEN = text("status IN ('queued', 'running') AND lease_until IS NOT NULL")


@dataclass(frozen=True, slots=True)
class TenantRuns:
    """The runs of a tenant.

    Attributes:
        started: in the last 24 hours, children of others not among them.
        queued: wait for a worker.
        running: are driven.
    """

    started: int
    queued: int
    running: int


def started(tenant_id: str, moment: datetime) -> Select[int]:
    """Return the query for how many runs a tenant has started since a moment, children of others not among them."""
    return select(func.count()).where(RunRow.tenant_id == tenant_id, RunRow.id >= first_id(moment), RunRow.parent_run_id.is_(None))


async def started_since(database: Database, tenant_id: str, moment: datetime) -> int:
    """Return how many runs a tenant has started since a moment."""
    async with database.reading(tenant_id) as session:
        return int(await session.scalar(started(tenant_id, moment)) or 0)


async def runs_of_tenant(database: Database, tenant_id: str, now: datetime) -> TenantRuns:
    """Return what a tenant has started, what waits and what is driven."""
    count = select(func.count()).where(RunRow.tenant_id == tenant_id)

    def look(connection: Connection) -> tuple[int, int]:
        return connection.scalar(count.where(_QUEUED)) or 0, connection.scalar(count.where(_DRIVEN)) or 0

    queued, running = await database.read(look, tenant_id)
    return TenantRuns(await started_since(database, tenant_id, now - DAY), queued, running)
