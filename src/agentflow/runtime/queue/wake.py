"""Bringing parked runs back into the queue when their time has come."""

from sqlalchemy import and_, or_, update

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.states import RunStatus

_PARKED = (RunStatus.WAITING.value, RunStatus.NEEDS_ATTENTION.value)


async def wake_due(database: Database, clock: Clock) -> int:
    """Queue the parked runs whose ``wake_at`` has passed, and those that were answered while they were being parked; returns how many.

    And those that version 0.1 left to a person: it stored no question, so whoever drives them next has to ask.
    """
    unasked = and_(RunRow.status == RunStatus.NEEDS_ATTENTION.value, RunRow.waiting_since.is_(None))
    due = or_(RunRow.wake_at <= clock.now(), RunRow.signals > RunRow.signals_seen, unasked)
    statement = update(RunRow).where(RunRow.status.in_(_PARKED), due).values(status=RunStatus.QUEUED.value, attempts=0, wake_at=None)
    async with database.connection() as connection:
        return int((await connection.execute(statement)).rowcount)


async def requeue_signalled(database: Database, run_id: str) -> bool:
    """Queue a run that has just been parked if it was answered meanwhile; tells whether it was."""
    statement = (
        update(RunRow)
        .where(RunRow.id == run_id, RunRow.status.in_(_PARKED), RunRow.signals > RunRow.signals_seen)
        .values(status=RunStatus.QUEUED.value, attempts=0)
    )
    async with database.connection() as connection:
        return bool((await connection.execute(statement)).rowcount == 1)
