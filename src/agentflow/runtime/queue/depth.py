"""How much waits in the queue, over all workers: read from the database when somebody asks for the metrics, and never more than that."""

import asyncio
from typing import Any

import structlog
from prometheus_client import Gauge
from sqlalchemy import case, func, select, text

from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.states import RunStatus

log = structlog.get_logger(__name__)

UP = Gauge("agentflow_database_up", "1 when the database answered for these metrics, else 0.")
RUNS = Gauge("agentflow_runs", "Runs that have not ended, by status (shared).", ["status"])
DEPTH = Gauge("agentflow_queue_depth", "Runs that no worker has taken up (shared).")
OLDEST = Gauge("agentflow_queue_oldest_seconds", "Age of the oldest run that no worker has taken up (shared).")
LATE = Gauge("agentflow_leases_expired", "Runs whose owner has not renewed its lease in time (shared).")

FRESH_S = 2.0
"""Age up to which numbers are given again: scraping more often asks the database no more."""
TIMEOUT_S = 1.0
"""Longest wait for the database; then the other metrics are given without."""

_UNENDED = (RunStatus.QUEUED.value, RunStatus.RUNNING.value, RunStatus.WAITING.value, RunStatus.NEEDS_ATTENTION.value)
_PARTS: tuple[Any, ...] = (text("status IN ('queued', 'running')"), text("status IN ('waiting', 'needs_attention')"))
"""Literally the conditions of two indexes, which hold only these runs, however long the history is."""


class QueueGauges:
    """Sets the gauges of the queue."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Bring the gauges up to date, unless they are fresh or the database does not answer in time; never raises."""
        if self._clock.monotonic() - self._read_at < FRESH_S:
            return
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="queue-gauges")
        # The task is not cancelled when it is late: a driver in trouble may not let go, and one question at a time is enough.
        done, _ = await asyncio.wait([self._reading], timeout=TIMEOUT_S)
        if not done:
            UP.set(0)

    async def close(self) -> None:
        """Stop what is still being asked."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading], timeout=TIMEOUT_S)

    async def _read(self) -> None:
        try:
            await self._ask()
            UP.set(1)
            self._read_at = self._clock.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever the driver says, the other metrics are still to be had
            UP.set(0)
            log.warning("the queue could not be measured", error=str(error))
        finally:
            self._reading = None

    async def _ask(self) -> None:
        now = self._clock.now()
        free = case((RunRow.lease_owner.is_(None), RunRow.created_at))
        late = case((RunRow.lease_until < now, 1))
        query = select(RunRow.status, func.count(), func.count(free), func.min(free), func.count(late))
        async with self._database.reading() as session:
            rows = [row for part in _PARTS for row in (await session.execute(query.where(part).group_by(RunRow.status))).all()]
        by_status = {row[0]: row for row in rows}
        for status in _UNENDED:
            RUNS.labels(status).set(by_status[status][1] if status in by_status else 0)
        queued = by_status.get(RunStatus.QUEUED.value)
        DEPTH.set(queued[2] if queued else 0)
        OLDEST.set((now - queued[3]).total_seconds() if queued and queued[3] is not None else 0)
        LATE.set(sum(by_status[status][4] for status in _UNENDED[:2] if status in by_status))
