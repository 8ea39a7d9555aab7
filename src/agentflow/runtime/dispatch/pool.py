"""The places of one process: drives up to a number of runs at a time, and takes queued ones when places are free."""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from prometheus_client import Gauge
from sqlalchemy.exc import DBAPIError

from agentflow.errors import Unavailable
from agentflow.infra.observability.context import context_of
from agentflow.runtime.dispatch.turns import Turns
from agentflow.runtime.execution.executor import Drive, Executor, Stop
from agentflow.runtime.queue.claims import MAX_CLAIM, Claims
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.states import RunStatus

log = structlog.get_logger(__name__)

RUNNING = Gauge("agentflow_runs_running", "Runs that this process is driving.")

_GATHER_S = 0.005
"""Longest wait after a run has ended before the queue is asked for the next: with many places, a claim should fill several."""

_PER_TURN = 1
"""Drives that begin before the event loop looks at its sockets again; each may compute for some milliseconds first."""

_CLOSING_S = 5.0
"""Longest wait for what is under way when the pool closes: a claim, or runs that were told to stop."""


class WorkerPool:
    """The places of one process.

    Args:
        executor: drives a run.
        claims: takes runs from the queue.
        places: most runs at a time; 0 for a process that drives only what it is handed.
    """

    def __init__(self, executor: Executor, claims: Claims, places: int) -> None:
        self._executor = executor
        self._claims = claims
        self._places = places
        self._drives: dict[str, Drive] = {}
        self._turns = Turns(_PER_TURN)
        self._reserved: set[str] = set()
        self._suspects: set[str] = set()
        self._again: dict[str, tuple[RunRecord, bool]] = {}
        """Runs that this process got again before it had quite let go of them: it had parked them, or lost them for a while."""
        self._wanted = asyncio.Event()
        self.when_full: Callable[[], None] | None = None
        """Tells other workers that something is in the queue which this one has no place for."""
        self._more = False
        """Whether runs are known to be in the queue that this process had no place for."""
        self._timer: asyncio.TimerHandle | None = None
        self._puller: asyncio.Task[None] | None = None
        self._closing = False
        self.abandoned: set[str] = set()
        """Runs that this process still holds the lease of but no longer drives; the sweeper gives them back."""

    def start(self) -> None:
        """Begin to take runs from the queue."""
        if self._places:
            self._puller = asyncio.create_task(self._pull_on(), name="worker-pool")

    def reserve(self, run: RunRecord) -> bool:
        """Keep a place for a run that is about to be admitted, unless others came first or its turn depends on other workers.

        A child never waits: its parent holds a place until it has ended.
        """
        if self._closing:
            raise Unavailable("The server is shutting down.", retry_after_s=5)
        if run.parent_run_id is None and (self._more or self.free <= 0 or self._claims.counts(run)):
            return False
        self._reserved.add(run.id)
        return True

    def unreserve(self, run: RunRecord) -> None:
        """Give a kept place back; whether the run was stored may be unknown."""
        if run.id in self._reserved:
            self._reserved.discard(run.id)
            self.abandoned.add(run.id)
        self._freed()

    def drive(self, run: RunRecord, *, fresh: bool) -> None:
        """Drive a run that this process owns, in the place that was kept for it or, if none was, in one more."""
        self._reserved.discard(run.id)
        self.abandoned.discard(run.id)  # it was given back meanwhile, and taken again
        if run.id in self._drives:
            self._again[run.id] = run, fresh
            return
        drive = self._drives[run.id] = Drive(run, fresh)
        if self._claims.is_suspect(run):
            self._suspects.add(run.id)
        if run.cancel_requested:
            drive.ask(Stop.CANCEL)
        RUNNING.set(len(self._drives))
        self._turns.begin(partial(self._start, drive))

    def _start(self, drive: Drive) -> None:
        drive.task = asyncio.get_running_loop().create_task(self._drive(drive), context=context_of(drive.run))

    def wake(self) -> None:
        """Look into the queue: something may be there. Without a free place, ask the others."""
        self.look()
        if self._more and self.free <= 0 and self.when_full is not None:
            self.when_full()

    def look(self) -> None:
        """Look into the queue if a place is free; unlike ``wake`` it asks nobody else, who may have asked this one."""
        if self.free > 0:
            self._wanted.set()
        else:
            self._more = True

    def drives(self, run_id: str) -> bool:
        """Tell whether this process drives a run."""
        return run_id in self._drives

    def knows(self, run_id: str) -> bool:
        """Tell whether this process drives a run, is about to, or is about to give it back."""
        return run_id in self._drives or run_id in self._reserved or run_id in self._again or run_id in self.abandoned

    def poke(self, run_id: str, signals: int | None = None) -> bool:
        """Tell a run of this process that something has come which it may wait for; False when it is not driven here.

        Args:
            run_id: the run.
            signals: how many signals have come for it; None when that is not known.
        """
        drive = self._drives.get(run_id)
        if drive is not None and drive.poked is not None:
            drive.poked(signals)
        return drive is not None

    def cancel(self, run_id: str) -> bool:
        """Ask a run of this process to stop."""
        drive = self._drives.get(run_id)
        if drive is None:
            return False
        drive.ask(Stop.CANCEL)
        return True

    def record(self, run_id: str) -> RunRecord | None:
        """Return the run as this process has it in its hands, or None."""
        drive = self._drives.get(run_id)
        return None if drive is None else drive.run

    @property
    def unbegun(self) -> int:
        """Return how many runs have a place here, but no turn of the event loop yet."""
        return self._turns.waiting

    @property
    def free(self) -> int:
        """How many more runs could be driven now."""
        return 0 if self._closing else self._places - len(self._drives) - len(self._reserved)

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
        run = drive.run
        self._drives.pop(run.id, None)
        again = self._again.pop(run.id, None)
        if again is not None:
            self.drive(again[0], fresh=again[1])
        elif not drive.settled:
            self.abandoned.add(run.id)
        RUNNING.set(len(self._drives))
        if run.id in self._suspects or self._claims.counts(run):
            self._suspects.discard(run.id)
            self._more = True  # its end may let another one start that had to wait for it
        self._freed()

    def _freed(self) -> None:
        if not self._more or self.free <= 0:
            return
        if self.free >= min(max(self._places // 16, 1), MAX_CLAIM):
            self._wanted.set()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._timer = None
        self._wanted.set()

    async def _pull_on(self) -> None:
        while not self._closing:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._pull()
            except (DBAPIError, OSError, TimeoutError) as error:
                # The sweeper asks again.
                log.warning("the queue could not be read", error=str(error))
            except Exception:
                log.exception("the queue could not be read")  # a process that takes no more runs would look alive

    async def _pull(self) -> None:
        while (free := self.free) > 0:
            room = not self._suspects
            claimed = await self._claims.claim_next(free, suspects=room)
            for run in claimed:
                self._begin(run)
            if len(claimed) < min(free, MAX_CLAIM) and not (room and self._suspects):
                self._more = False
                return
        self._more = True

    def _begin(self, run: RunRecord) -> None:
        if self._closing:
            return  # given back with all other leases
        if run.attempts > 1:
            log.info("run taken up", run_id=run.id, attempt=run.attempts, tries=run.tries)
        untouched = run.started_at is None and run.tries == 1 and run.origin_run_id is None
        self.drive(run, fresh=untouched and run.status is RunStatus.QUEUED)

    async def close(self, grace_s: float) -> None:
        """Take no more runs, let the running ones finish for ``grace_s`` seconds, stop the rest; their leases are still held."""
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._puller is not None:
            self._wanted.set()
            await asyncio.wait([self._puller], timeout=_CLOSING_S)
            self._puller.cancel()
        self._turns.begin_all()  # what was accepted here may still finish
        tasks = {drive.task: drive for drive in self._drives.values() if drive.task is not None}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                tasks[task].ask(Stop.RELEASE)
            if late:
                await asyncio.wait(late, timeout=_CLOSING_S)
