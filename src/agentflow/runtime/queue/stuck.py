"""Why a run does not move, for a person who looks; read-only, and over all tenants: the operator asks."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.queue.presence import Presence
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.states import RunStatus

_UNENDED = (RunStatus.QUEUED, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.NEEDS_ATTENTION)
_SERVE = "It is taken up within seconds once `agentflow serve` runs on this database."


@dataclass(frozen=True, slots=True)
class StuckRun:
    """A run that nobody drives.

    Attributes:
        id: the run.
        workflow_name: its workflow.
        status: where it stands.
        reason: why it does not move.
        hint: what would move it.
    """

    id: str
    workflow_name: str
    status: str
    reason: str
    hint: str


async def stuck_runs(database: Database, presence: Presence, clock: Clock, limit: int = 20) -> list[StuckRun]:
    """Return runs that have not ended and that no living worker drives, oldest first."""
    columns = (RunRow.id, RunRow.workflow_name, RunRow.status, RunRow.lease_owner, RunRow.lease_until, RunRow.error)
    query = select(*columns).where(RunRow.status.in_([status.value for status in _UNENDED])).order_by(RunRow.id).limit(limit)
    async with database.reading() as session:
        rows = (await session.execute(query)).all()
    found = []
    for id_, name, status, owner, until, error in rows:
        reason = await _reason(RunStatus(status), owner, until, error, presence, clock)
        if reason is not None:
            found.append(StuckRun(id_, name, status, *reason))
    return found


async def _reason(
    status: RunStatus, owner: str | None, until: datetime | None, error: dict[str, str] | None, presence: Presence, clock: Clock
) -> tuple[str, str] | None:
    if status in {RunStatus.WAITING, RunStatus.NEEDS_ATTENTION}:
        why = (error or {}).get("message") or "it waits for a person"
        return why, "Look at it with `agentflow runs show`, end it with `agentflow runs cancel`."
    if owner is None or until is None:
        return "it is queued and nobody has taken it up", _SERVE
    if await presence.is_dead(owner):
        return f"the process {owner} that drove it is gone", _SERVE
    late_s = (clock.now() - until).total_seconds()
    if late_s > 0:
        return f"its owner {owner} has not renewed its lease for {late_s:.0f} s", _SERVE
    return None
