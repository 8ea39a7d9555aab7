"""Granting, renewing and releasing runs. A run has one owner, and a fencing token that grows with each change; every write checks it."""

from datetime import timedelta

from prometheus_client import Counter
from sqlalchemy import ColumnElement, and_, case, literal_column, or_, select, update

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.queue.known import KNOWN
from agentflow.runtime.queue.presence import Presence
from agentflow.runtime.queue.wake import wake_due
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.statements import LIVE
from agentflow.runtime.states import RunStatus

_LIVE = (RunStatus.QUEUED, RunStatus.RUNNING)
STOPPABLE = tuple(status.value for status in (*_LIVE, RunStatus.WAITING, RunStatus.NEEDS_ATTENTION))

# The end of a lease is what the index of live runs is sorted by: queued runs without one are passed over.
_OWNED = (LIVE, RunRow.lease_until.is_not(None))
# Version 0.1 gave a run back by taking its owner from it, and left it running.
_GIVEN_BACK = and_(LIVE, RunRow.status == literal_column("'running'"), RunRow.lease_until.is_(None))
_FREE = {"status": RunStatus.QUEUED.value, "lease_owner": None, "lease_until": None, "fence": RunRow.fence + 1}


RENEWALS = Counter("agentflow_lease_renewals_total", "Leases that this process has prolonged.")


class Leases:
    """The leases of one worker."""

    def __init__(self, database: Database, clock: Clock, presence: Presence, owner: str, lease_s: float) -> None:
        self.owner = owner
        self._database = database
        self._clock = clock
        self._presence = presence
        self._lease = timedelta(seconds=lease_s)

    def grant(self, run: RunRecord) -> None:
        """Make this worker the first owner of a run that is about to be admitted."""
        run.lease_owner, run.fence, run.attempts, run.tries = self.owner, 1, 1, 1
        run.lease_until = self._clock.now() + self._lease

    async def claim_free(self, run: RunRecord) -> bool:
        """Take over a run that nobody drives, whatever its turn; False when it has a living owner or an unknown format."""
        if run.status in _LIVE:
            owner, until = run.lease_owner, run.lease_until
            held = owner is not None and until is not None and until >= self._clock.now() and not await self._presence.is_dead(owner)
            if held:
                return False
        fence, until = run.fence, self._clock.now() + self._lease
        statement = (
            update(RunRow)
            .where(RunRow.id == run.id, RunRow.fence == fence, RunRow.status.in_(STOPPABLE), KNOWN)
            .values(lease_owner=self.owner, lease_until=until, fence=fence + 1, attempts=RunRow.attempts + 1, tries=RunRow.tries + 1)
        )
        async with self._database.connection() as connection:
            claimed = (await connection.execute(statement)).rowcount == 1
        if claimed:
            run.lease_owner, run.lease_until, run.fence, run.attempts = self.owner, until, fence + 1, run.attempts + 1
            run.tries += 1
        return claimed

    async def renew(self) -> tuple[list[str], dict[str, int]]:
        """Prolong every lease of this worker.

        Returns:
            The runs that somebody asked to cancel, and of the others those that something has come for since they were taken up, with the
            number of their signals.
        """
        await self._presence.keep()
        mine = self._mine()
        async with self._database.connection() as connection:
            renewed = await connection.execute(update(RunRow).where(*mine).values(lease_until=self._clock.now() + self._lease))
            RENEWALS.inc(renewed.rowcount)
            news = or_(RunRow.cancel_requested, RunRow.signals > RunRow.signals_seen)
            asked = (await connection.execute(select(RunRow.id, RunRow.cancel_requested, RunRow.signals).where(*mine, news))).all()
        cancelled = [id_ for id_, is_cancelled, _ in asked if is_cancelled]
        return cancelled, {id_: signals for id_, is_cancelled, signals in asked if not is_cancelled}

    async def held(self) -> set[str]:
        """Return the runs that the database knows this worker as the owner of."""
        async with self._database.reading() as session:
            return set((await session.scalars(select(RunRow.id).where(*self._mine()))).all())

    async def release(self, run_ids: set[str] | None = None) -> None:
        """Put runs of this worker (all of them when None) back into the queue at once; that does not count as a death.

        The fence moves on, so that what is still being written about them is refused.
        """
        which = self._mine() if run_ids is None else [*self._mine(), RunRow.id.in_(run_ids)]
        async with self._database.connection() as connection:
            await connection.execute(
                update(RunRow).where(*which).values(**_FREE, tries=case((RunRow.tries > 0, RunRow.tries - 1), else_=0))
            )

    async def wake_due(self) -> int:
        """Queue the parked runs whose time has come; returns how many."""
        return await wake_due(self._database, self._clock)

    async def release_orphans(self) -> list[str]:
        """Put live runs whose owner is dead, or has not renewed in time, back into the queue; returns their ids."""
        others = and_(*_OWNED, RunRow.lease_owner != self.owner)
        async with self._database.reading() as session:
            owners = (await session.scalars(select(RunRow.lease_owner).where(others).distinct())).all()
            given_back = await session.scalar(select(RunRow.id).where(_GIVEN_BACK).limit(1))
        if not owners and given_back is None:
            return []
        dead = [owner for owner in owners if owner is not None and await self._presence.is_dead(owner)]
        orphaned = and_(others, or_(RunRow.lease_until < self._clock.now(), RunRow.lease_owner.in_(dead)))
        free = update(RunRow).values(**_FREE).returning(RunRow.id)
        async with self._database.connection() as connection:
            # Two statements, for together they would read every run that waits in the queue.
            return [id_ for which in (orphaned, _GIVEN_BACK) for id_ in (await connection.scalars(free.where(which))).all()]

    def _mine(self) -> list[ColumnElement[bool]]:
        return [*_OWNED, RunRow.lease_owner == self.owner]
