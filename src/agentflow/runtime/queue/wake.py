"""Bringing parked runs back into the queue when their time has come."""

from sqlalchemy import update

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.statements import PARKED, SIGNALLED
from agentflow.runtime.states import RunStatus

_REQUEUE = update(RunRow).where(PARKED).values(status=RunStatus.QUEUED.value, attempts=0)


async def wake_due(database: Database, clock: Clock) -> int:
    """Queue the parked runs whose ``wake_at`` has passed, and those that were answered while they were being parked; returns how many.

    And those that version 0.1 left to a person: it stored no question, so whoever drives them next has to ask.
    """
    async with database.connection() as connection:
        # Two statements, for each has an index of its own; with an OR between them a database reads every run that waits.
        return sum(
            [
                int((await connection.execute(_REQUEUE.where(condition).values(wake_at=None))).rowcount)
                for condition in (RunRow.wake_at <= clock.now(), SIGNALLED)
            ]
        )


async def requeue_signalled(database: Database, run_id: str) -> bool:
    """Queue a run that has just been parked if it was answered meanwhile; tells whether it was."""
    statement = _REQUEUE.where(RunRow.id == run_id, RunRow.signals > RunRow.signals_seen)
    async with database.connection() as connection:
        return bool((await connection.execute(statement)).rowcount == 1)
