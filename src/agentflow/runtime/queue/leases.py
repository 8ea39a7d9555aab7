"""Claiming, renewing and releasing runs. A run has one owner, and a fencing token that grows with each; every write checks it."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import or_, select, update

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.queue.presence import Presence
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import RUN_COLUMNS, to_run
from agentflow.runtime.states import RunStatus

LIVE = (RunStatus.QUEUED.value, RunStatus.RUNNING.value)
STOPPABLE = (*LIVE, RunStatus.WAITING.value, RunStatus.NEEDS_ATTENTION.value)


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
        run.lease_owner, run.fence, run.attempts = self.owner, 1, 1
        run.lease_until = self._clock.now() + self._lease

    async def claim(self, run: RunRecord) -> bool:
        """Take over a run found by ``orphans``; False when somebody else was faster."""
        return await self._take(run, LIVE)

    async def _take(self, run: RunRecord, states: tuple[str, ...]) -> bool:
        fence, until = run.fence, self._clock.now() + self._lease
        statement = (
            update(RunRow)
            .where(RunRow.id == run.id, RunRow.fence == fence, RunRow.status.in_(states))
            .values(lease_owner=self.owner, lease_until=until, fence=fence + 1, attempts=RunRow.attempts + 1)
        )
        async with self._database.connection() as connection:
            claimed = (await connection.execute(statement)).rowcount == 1
        if claimed:
            run.lease_owner, run.lease_until, run.fence, run.attempts = self.owner, until, fence + 1, run.attempts + 1
        return claimed

    async def claim_free(self, run: RunRecord) -> bool:
        """Take over a run that waits for a person or whose owner is gone; False when it has a living owner."""
        if run.status.value in LIVE:
            owner, until = run.lease_owner, run.lease_until
            held = owner is not None and until is not None and until >= self._clock.now() and not await self._presence.is_dead(owner)
            if held:
                return False
        return await self._take(run, STOPPABLE)

    async def renew(self) -> list[str]:
        """Prolong every lease of this worker; returns the runs that somebody asked to cancel."""
        mine = (RunRow.lease_owner == self.owner, RunRow.status.in_(LIVE))
        async with self._database.connection() as connection:
            await connection.execute(update(RunRow).where(*mine).values(lease_until=self._clock.now() + self._lease))
            asked = await connection.scalars(select(RunRow.id).where(*mine, RunRow.cancel_requested))
            return list(asked.all())

    async def release(self, run_ids: Sequence[str]) -> None:
        """Give runs back at once, so that nobody has to wait for their leases to end."""
        if run_ids:
            async with self._database.connection() as connection:
                await connection.execute(
                    update(RunRow)
                    .where(RunRow.id.in_(run_ids), RunRow.lease_owner == self.owner)
                    .values(lease_owner=None, lease_until=None)
                )

    async def orphans(self, limit: int) -> list[RunRecord]:
        """Return live runs without a living owner, most urgent and oldest first."""
        async with self._database.reading() as session:
            others = await session.scalars(
                select(RunRow.lease_owner)
                .where(RunRow.status.in_(LIVE), RunRow.lease_owner.is_not(None), RunRow.lease_owner != self.owner)
                .distinct()
            )
            owners = list(others.all())
        dead = [owner for owner in owners if owner is not None and await self._presence.is_dead(owner)]
        free = [RunRow.lease_owner.is_(None), RunRow.lease_until < self._clock.now()]
        if dead:
            free.append(RunRow.lease_owner.in_(dead))
        async with self._database.reading() as session:
            rows = await session.execute(
                select(*RUN_COLUMNS).where(RunRow.status.in_(LIVE), or_(*free)).order_by(RunRow.priority.desc(), RunRow.id).limit(limit)
            )
            return [to_run(row) for row in rows.all()]
