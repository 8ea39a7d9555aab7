"""Looks after the executions of a run that wait while its other branches are busy.

The graph comes back to what waits only when nothing else is left to do, and that may take hours. Until then somebody has to notice that
an answer has come or a time is over. The attendant runs such an execution again beside the graph; the graph goes on behind it with its
next step.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog
from sqlalchemy.exc import DBAPIError

from agentflow.runtime.execution.parking import heard
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.execution.stalled import Stalled
from agentflow.runtime.execution.waits import Place, Waits
from agentflow.runtime.records.records import RunRecord

log = structlog.get_logger(__name__)


class Attendant:
    """Looks after one run, while its graph runs.

    Args:
        run: the run.
        waits: what it waits for.
        stalled: which executions wait.
        ports: the outside.
        fail: called when an execution failed for good; has to stop the graph.
    """

    def __init__(self, run: RunRecord, waits: Waits, stalled: Stalled, ports: Ports, fail: Callable[[], object]) -> None:
        self.failure: BaseException | None = None
        """What stopped the graph, or None."""
        self._run, self._waits, self._stalled, self._ports, self._fail = run, waits, stalled, ports, fail
        self._seen = run.signals
        self._checked: dict[Place, int] = {}
        """By execution, how many signals of the run it has been run again for."""
        self._changed = asyncio.Event()
        self._poked = False
        self._task: asyncio.Task[None] | None = None

    def held(self) -> None:
        """Take note that an execution waits; most runs never have one, and no task either."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._look_after(), name="attendant")
        self._changed.set()

    def poke(self, signals: int | None = None) -> None:
        """Look now: something has come that the run may wait for, or it is to be paused or to go on.

        Args:
            signals: how many signals of the run are known to have come; None when that is not known.
        """
        if signals is None or signals > self._seen:
            self._poked = True
            self.held()

    async def settle(self) -> None:
        """Wait until nothing is being run again."""
        while self._stalled.running:
            await asyncio.wait(list(self._stalled.running.values()))

    async def stop(self) -> None:
        """Stop looking, and what is being run again."""
        self._fail = _nothing
        tasks = [task for task in (self._task, *self._stalled.running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _look_after(self) -> None:
        while True:
            await self._until_something()
            was_paused = self._run.paused_at is not None
            try:
                await self._hear()
            except (DBAPIError, OSError, TimeoutError) as error:
                # The renewal of the lease says again that something has come.
                log.warning("what a run waits for could not be read", run_id=self._run.id, error=str(error))
            now, goes_on = self._ports.clock.now(), was_paused and self._run.paused_at is None
            for place in self._stalled.waiting():
                wake_at = self._stalled.held[place]
                came = self._checked.get(place, self._run.signals) < self._seen and not self._waits.asks(place)
                if goes_on or came or (wake_at is not None and wake_at <= now):
                    self._checked[place] = self._seen
                    self._stalled.running[place] = asyncio.get_running_loop().create_task(self._again(place))

    async def _until_something(self) -> None:
        """Wait for news, or for the next moment at which something is due."""
        due = min((moment for place in self._stalled.waiting() if (moment := self._stalled.held[place]) is not None), default=None)
        left = None if due is None else max((due - self._ports.clock.now()).total_seconds(), 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._changed.wait()
        self._changed.clear()

    async def _hear(self) -> None:
        """Read what has come for the run, if anybody said that something has."""
        if not self._poked:
            return
        self._poked = False
        signals = await heard(self._run, self._ports.database)
        if signals > self._seen:
            await self._waits.load()
            self._seen = signals

    async def _again(self, place: Place) -> None:
        try:
            await self._stalled.again(place)
        except Exception as error:  # noqa: BLE001 - as if it had stopped the graph itself
            if self.failure is None:
                self.failure = error
                self._fail()
        finally:
            self._stalled.running.pop(place, None)
            self._changed.set()


def _nothing() -> None:
    """Stop nothing: the graph has ended."""


@contextlib.asynccontextmanager
async def attended(run: RunRecord, waits: Waits, stalled: Stalled, ports: Ports, must_stop: Callable[[], bool]) -> AsyncIterator[Attendant]:
    """Have a run looked after while the graph runs in the calling task.

    Args:
        run: the run.
        waits: what it waits for.
        stalled: which executions wait.
        ports: the outside.
        must_stop: tells whether somebody else may have cancelled the task.

    Raises:
        RunFailed: an execution that was run again failed for good.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    attendant = Attendant(run, waits, stalled, ports, task.cancel)
    waits.on_hold = attendant.held
    try:
        yield attendant
        await attendant.settle()
    except asyncio.CancelledError:
        if attendant.failure is None or must_stop():
            raise
        task.uncancel()
        raise attendant.failure from None
    finally:
        waits.on_hold = None
        await attendant.stop()
