"""What becomes of the runs of an organisation that is deleted: nobody could look at them any more, so none goes on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.models import TenantRow
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import first_id
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.statements import LIVE, PARKED
from agentflow.runtime.states import TERMINAL

_LATE = timedelta(hours=1)
"""Longer than any process lets runs of a deleted organisation in, and than clocks differ."""
_ENDED = sorted(status.value for status in TERMINAL)


def _wish() -> dict[str, Any]:
    # A signal, too: what is being parked, or waits, looks at nothing else.
    return {"cancel_requested": True, "signals": RunRow.signals + 1}


async def end_runs(session: AsyncSession, tenant_id: str) -> None:
    """Ask every run of a tenant to stop, in the transaction that deletes the tenant.

    Whoever drives one sees it with the next renewal of its lease, whoever takes one from the queue before it begins; what waits is put into
    the queue by the signal.
    """
    for which in (LIVE, PARKED):
        await session.execute(update(RunRow).where(RunRow.tenant_id == tenant_id, which).values(**_wish()))


class Latecomers:
    """Ends runs that were let in while their tenant was being deleted: for seconds, other processes still remember that it was there.

    Its first look is for all deleted tenants, so that nothing is missed while no process ran; after that, for those deleted not long ago.

    Args:
        database: where runs and tenants are.
        clock: the time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._looked = False

    async def end(self) -> None:
        """Ask such runs to stop, as ``end_runs`` does."""
        query = select(TenantRow.id, TenantRow.deleted_at).where(TenantRow.deleted_at.is_not(None))
        if self._looked:
            query = query.where(TenantRow.deleted_at > self._clock.now() - _LATE)
        async with self._database.reading() as session:
            deleted: Sequence[Any] = (await session.execute(query)).all()
        for tenant_id, deleted_at in deleted:
            await self._end(tenant_id, deleted_at - _LATE)
        self._looked = True

    async def _end(self, tenant_id: str, since: datetime) -> None:
        # Only runs that came about then or later are read, however many the tenant had.
        late = (RunRow.tenant_id == tenant_id, RunRow.id >= first_id(since))
        going = (RunRow.status.not_in(_ENDED), RunRow.cancel_requested.is_(False))
        async with self._database.reading() as session:
            if await session.scalar(select(RunRow.id).where(*late, *going).limit(1)) is None:
                return
        async with self._database.transaction() as session:
            await session.execute(update(RunRow).where(*late, *going).values(**_wish()))
