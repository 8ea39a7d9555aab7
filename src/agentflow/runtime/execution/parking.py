"""Putting a run aside while it waits, and taking it up again: it holds no worker, no lease and no memory meanwhile."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import iso
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.interrupts.records import InterruptKind
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.queue.wake import requeue_signalled
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.statements import RUNS
from agentflow.runtime.states import EventType, RunStatus

if TYPE_CHECKING:
    from agentflow.runtime.execution.node_runner import NodeRunner


PAUSED = "paused"
"""Why a run waits that somebody paused."""


class Parked(Exception):
    """The run waits, and is stored so."""


async def heard(run: RunRecord, database: Database) -> int:
    """Return how many signals have come for a run; whether it is paused by now, or asked to stop, is noted in ``run``."""
    query = select(RUNS.c.signals, RUNS.c.paused_at, RUNS.c.paused_by, RUNS.c.cancel_requested).where(RUNS.c.id == run.id)
    async with database.reading() as session:
        row = (await session.execute(query)).one_or_none()
    if row is None:
        return run.signals
    run.paused_at, run.paused_by, run.cancel_requested = row.paused_at, row.paused_by, row.cancel_requested
    return int(row.signals)


async def begin_again(run: RunRecord, runner: "NodeRunner", journal: RunJournal, database: Database) -> bool:
    """Tell whether something came for a run that could not go on: then it is driven another round instead of being parked.

    The wish that it stop is left unheard, so that the run is queued again as soon as it is parked, and whoever takes it ends it.
    """
    await journal.flush()
    signals = await heard(run, database)
    if signals <= run.signals or run.cancel_requested:
        return False
    run.signals = signals
    await runner.waits.load()
    return True


async def park(run: RunRecord, runner: "NodeRunner", journal: RunJournal, ports: Ports) -> None:
    """Store that a run waits, and let go of it.

    Raises:
        Parked: always, once that is durable.
    """
    waits = runner.waits
    unknown = [interrupt for interrupt in waits.open if interrupt.kind is InterruptKind.ATTENTION]
    run.status = RunStatus.NEEDS_ATTENTION if unknown else RunStatus.WAITING
    run.error = dict(unknown[0].request) if unknown else None
    run.usage = runner.meter.stored()
    run.waiting_since, run.wake_at = ports.clock.now(), waits.wake_at
    run.signals_seen = run.signals
    journal.run_changed()
    journal.add(
        ports.statements.park_run,
        {
            "id": run.id,
            "lease_owner": None,
            "lease_until": None,
            "wake_at": run.wake_at,
            "waiting_since": run.waiting_since,
            "signals_seen": run.signals_seen,
        },
    )
    data: dict[str, Any] = {
        "reason": run.status.value if run.paused_at is None else PAUSED,
        "nodes": sorted({key for key, _ in waits.held}),
    }
    if run.paused_at is not None:
        data["by"] = run.paused_by
    if run.error is not None:
        data["error"] = run.error
    if run.wake_at is not None:
        data["wake_at"] = iso(run.wake_at)
    journal.event(EventType.RUN_WAITING, data=data)
    await journal.flush()
    if await requeue_signalled(ports.database, run.id) and ports.wake is not None:
        await ports.wake(run.id)
    raise Parked


def unpark(run: RunRecord, journal: RunJournal, ports: Ports) -> None:
    """Let a run go on; the time that it waited does not count towards its time limit."""
    if run.waiting_since is not None:
        run.deadline_at += max(ports.clock.now() - run.waiting_since, timedelta())
    run.waiting_since = run.wake_at = None
    run.signals_seen = run.signals
    journal.add(
        ports.statements.unpark_run,
        {"id": run.id, "wake_at": None, "waiting_since": None, "signals_seen": run.signals_seen, "deadline_at": run.deadline_at},
    )
