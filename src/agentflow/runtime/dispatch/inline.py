"""The worker inside the server's own process: drives up to a number of runs at a time, the most urgent first."""

import asyncio
import heapq
import itertools

import structlog
from prometheus_client import Gauge

from agentflow.errors import Unavailable
from agentflow.runtime.execution.executor import Drive, Executor, Stop
from agentflow.runtime.records.records import RunRecord

log = structlog.get_logger(__name__)

RUNNING = Gauge("agentflow_runs_running", "Runs that this process is driving.")
WAITING = Gauge("agentflow_runs_waiting", "Runs that wait in this process for a place.")


class InlineDispatcher:
    """Fulfils ``Dispatcher`` on the running event loop."""

    def __init__(self, executor: Executor, places: int) -> None:
        self._executor = executor
        self._places = places
        self._drives: dict[str, Drive] = {}
        self._running = 0
        self._queue: list[tuple[int, int, Drive]] = []
        self._order = itertools.count()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self.abandoned: set[str] = set()
        """Runs that this process still holds the lease of but no longer drives; the sweeper gives them back."""

    def dispatch(self, run: RunRecord, *, fresh: bool) -> None:
        """Drive a run now, or when a place is free. A child never waits: its parent holds a place until it has ended."""
        if run.id in self._drives:
            return
        if self._closing:
            raise Unavailable("The server is shutting down.", retry_after_s=5)
        drive = self._drives[run.id] = Drive(run, fresh)
        self._idle.clear()
        if self._running < self._places or run.parent_run_id is not None:
            self._start(drive)
        else:
            heapq.heappush(self._queue, (-run.priority, next(self._order), drive))
            WAITING.set(len(self._queue))

    def cancel(self, run_id: str) -> bool:
        """Ask a run of this process to stop."""
        drive = self._drives.get(run_id)
        if drive is None:
            return False
        drive.ask(Stop.CANCEL)
        if drive.task is None:
            self._start(drive)
        return True

    def has(self, run_id: str) -> bool:
        """Tell whether this process has the run."""
        return run_id in self._drives

    def record(self, run_id: str) -> RunRecord | None:
        """Return the run as this process has it in its hands, or None; its end is durable only once the hub says so."""
        drive = self._drives.get(run_id)
        return None if drive is None else drive.run

    @property
    def free(self) -> int:
        """How many more runs could be driven now."""
        return max(self._places - self._running - len(self._queue), 0)

    def _start(self, drive: Drive) -> None:
        self._running += 1
        RUNNING.set(self._running)
        drive.task = asyncio.get_running_loop().create_task(self._drive(drive))

    async def _drive(self, drive: Drive) -> None:
        try:
            await self._executor.drive(drive)
        except asyncio.CancelledError:
            log.info("run released", run_id=drive.run.id)
        except Exception:
            # The sweeper brings the run back through the front door.
            log.exception("driving a run failed", run_id=drive.run.id)
        finally:
            self._done(drive)

    def _done(self, drive: Drive) -> None:
        self._drives.pop(drive.run.id, None)
        if not drive.settled:
            self.abandoned.add(drive.run.id)
        self._running -= 1
        while self._queue and self._running < self._places and not self._closing:
            _, _, following = heapq.heappop(self._queue)
            if following.task is None:
                self._start(following)
        RUNNING.set(self._running)
        WAITING.set(len(self._queue))
        if not self._drives:
            self._idle.set()

    async def close(self, grace_s: float) -> list[str]:
        """Take no more runs, let the running ones finish for ``grace_s`` seconds, stop the rest; returns the runs given back."""
        self._closing = True
        waiting = [drive.run.id for _, _, drive in self._queue if drive.task is None]
        for run_id in waiting:
            self._drives.pop(run_id, None)
        self._queue.clear()
        tasks = {drive.task: drive for drive in self._drives.values() if drive.task is not None}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                tasks[task].ask(Stop.RELEASE)
                waiting.append(tasks[task].run.id)
            if late:
                await asyncio.wait(late, timeout=5)
        return waiting
