"""Keeps the leases of this process alive and brings runs without a living owner back to the queue, by the same door as new ones."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

from agentflow.config.settings import Settings
from agentflow.runtime.dispatch.inline import InlineDispatcher
from agentflow.runtime.queue.leases import Leases

log = structlog.get_logger(__name__)

RECOVERED = Counter("agentflow_runs_recovered_total", "Runs taken over from an owner that died or gave them back.")


class Recovery:
    """Two periodic tasks: the renewal of leases and the sweeper."""

    def __init__(self, leases: Leases, dispatcher: InlineDispatcher, settings: Settings) -> None:
        self._leases = leases
        self._dispatcher = dispatcher
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start both tasks; the first sweep begins at once."""
        self._tasks = [
            asyncio.create_task(self._every(self._settings.lease_renew_s, self.renew, at_once=False), name="lease-renewal"),
            asyncio.create_task(self._every(self._settings.sweep_interval_s, self.sweep, at_once=True), name="sweeper"),
        ]

    async def stop(self) -> None:
        """Stop both tasks."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def renew(self) -> None:
        """Prolong the leases, and stop runs whose cancellation another process asked for."""
        for run_id in await self._leases.renew():
            self._dispatcher.cancel(run_id)

    async def sweep(self) -> None:
        """Give back what this process no longer drives; claim what has no living owner, as far as there are places, and dispatch it."""
        abandoned = list(self._dispatcher.abandoned)
        await self._leases.release(abandoned)
        self._dispatcher.abandoned.difference_update(abandoned)
        free = self._dispatcher.free
        if not free:
            return
        for run in await self._leases.orphans(free):
            if not self._dispatcher.has(run.id) and await self._leases.claim(run):
                RECOVERED.inc()
                log.info("run recovered", run_id=run.id, attempt=run.attempts)
                self._dispatcher.dispatch(run, fresh=False)
                if run.cancel_requested:
                    self._dispatcher.cancel(run.id)

    async def _every(self, interval_s: float, action: Callable[[], Awaitable[None]], *, at_once: bool) -> None:
        if not at_once:
            await asyncio.sleep(interval_s)
        while True:
            try:
                await action()
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("the database did not answer", action=getattr(action, "__name__", "?"), error=str(error))
            await asyncio.sleep(interval_s)
