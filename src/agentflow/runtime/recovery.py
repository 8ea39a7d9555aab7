"""Keeps the leases of this process alive and puts runs without a living owner back into the queue, by the same door as new ones."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

from agentflow.config.settings import Settings
from agentflow.kit.tasks import ended
from agentflow.runtime.dispatch.base import Dispatcher
from agentflow.runtime.dispatch.pool import WorkerPool
from agentflow.runtime.queue.claims import Claims
from agentflow.runtime.queue.leases import Leases
from agentflow.runtime.runs.closing import Latecomers

log = structlog.get_logger(__name__)

RECOVERED = Counter("agentflow_runs_recovered_total", "Runs put back into the queue because their owner had died.")


class Recovery:
    """Two periodic tasks: the renewal of leases and the sweeper."""

    def __init__(
        self, leases: Leases, claims: Claims, pool: WorkerPool, dispatcher: Dispatcher, latecomers: Latecomers, settings: Settings
    ) -> None:
        self._claims = claims
        self._latecomers = latecomers
        self._leases = leases
        self._pool = pool
        self._dispatcher = dispatcher
        self._settings = settings
        self._strays: set[str] = set()
        """Runs that the last sweep found to be this process's by the database, and not by itself."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start both tasks; the first sweep begins at once."""
        self._tasks = [
            asyncio.create_task(self._every(self._settings.lease_renew_s, self.renew, at_once=False), name="lease-renewal"),
            asyncio.create_task(self._every(self._settings.sweep_interval_s, self.sweep, at_once=True), name="sweeper"),
        ]

    async def stop(self) -> None:
        """Stop both tasks."""
        await ended(*self._tasks)

    async def renew(self) -> None:
        """Prolong the leases, stop runs whose cancellation another process asked for, and tell those that something has come for."""
        cancelled, signalled = await self._leases.renew()
        for run_id in cancelled:
            self._dispatcher.cancel(run_id)
        for run_id, signals in signalled.items():
            self._pool.poke(run_id, signals)

    async def sweep(self) -> None:
        """Give back what this process no longer drives, put back what has no living owner, and have the queue looked into."""
        abandoned = set(self._pool.abandoned)
        if abandoned:
            await self._leases.release(abandoned)
            self._pool.abandoned -= abandoned
        await self._release_strays()
        await self._claims.learn()
        await self._latecomers.end()
        await self._leases.wake_due()
        orphans = await self._leases.release_orphans()
        if orphans:
            RECOVERED.inc(len(orphans))
            log.info("runs recovered", runs=len(orphans), first=orphans[0])
        self._dispatcher.hint(orphans)

    async def _release_strays(self) -> None:
        """Give back runs that were claimed without this process hearing of it: the answer to a commit can be lost with its connection.

        Their leases would be prolonged with all others, for ever. One that is found twice is no claim whose answer is on its way.
        """
        strays = {run_id for run_id in await self._leases.held() if not self._pool.knows(run_id)}
        lost = strays & self._strays
        self._strays = strays - lost
        if lost:
            log.warning("runs were claimed and the answer was lost", runs=len(lost))
            await self._leases.release(lost)

    async def _every(self, interval_s: float, action: Callable[[], Awaitable[None]], *, at_once: bool) -> None:
        if not at_once:
            await asyncio.sleep(interval_s)
        while True:
            try:
                await action()
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("the database did not answer", action=getattr(action, "__name__", "?"), error=str(error))
            except Exception:
                log.exception("a periodic task failed", action=getattr(action, "__name__", "?"))  # its next turn may go better
            await asyncio.sleep(interval_s)
