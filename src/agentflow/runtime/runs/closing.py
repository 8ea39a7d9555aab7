"""What becomes of the runs of an organisation that is deleted: nobody could look at them any more, so none goes on."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.statements import LIVE, PARKED


async def end_runs(session: AsyncSession, tenant_id: str) -> None:
    """Ask every run of a tenant to stop, in the transaction that deletes the tenant.

    Whoever drives one sees it with the next renewal of its lease, whoever takes one from the queue before it begins; what waits is put into
    the queue by the signal.
    """
    wish = {"cancel_requested": True, "signals": RunRow.signals + 1}
    for which in (LIVE, PARKED):
        await session.execute(update(RunRow).where(RunRow.tenant_id == tenant_id, which).values(wish))
