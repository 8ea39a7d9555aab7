"""Drives one run from where it stands to its end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from agentflow.compiler.plan import Plan
from agentflow.errors import AgentFlowError, InvalidSpec
from agentflow.infra.db.failures import is_outage
from agentflow.infra.objects.base import ObjectMissing
from agentflow.runtime.execution import counts, spans
from agentflow.runtime.execution.attempts import Tries
from agentflow.runtime.execution.attendant import attended
from agentflow.runtime.execution.compensation import Undoing
from agentflow.runtime.execution.driver import Driver
from agentflow.runtime.execution.failures import RunFailed, run_error
from agentflow.runtime.execution.node_runner import NodeRunner
from agentflow.runtime.execution.parking import Parked, begin_again, park, unpark
from agentflow.runtime.execution.plans import PlanCache
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.execution.tries import TOO_MANY_ATTEMPTS, count_tries
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import RunMemory, load_memory
from agentflow.runtime.states import EventType, RunStatus
from agentflow.spec.expressions import ExpressionError

log = structlog.get_logger(__name__)

_RECALLING = 4
"""Runs of which is read at a time what they have done: when thousands are taken up at once, they leave connections for what is under way."""


class Stop(StrEnum):
    """Why a run that could go on is stopped from outside."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    RELEASE = "release"
    """The process shuts down; somebody else will go on."""


@dataclass(slots=True)
class Drive:
    """One run in the hands of this process."""

    run: RunRecord
    fresh: bool
    stop: Stop | None = None
    settled: bool = False
    """Whether what the drive came to is stored; if not, somebody has to take the run up again."""
    task: asyncio.Task[None] | None = None
    poked: Callable[[int | None], None] | None = None
    """Tells whoever looks after what waits that something has come."""
    graph: asyncio.Task[None] | None = field(default=None, repr=False)
    undoing: asyncio.Task[None] | None = field(default=None, repr=False)
    """What undoes the effects of a run that was stopped."""
    released: bool = False
    """Whether somebody else has to go on undoing."""

    def ask(self, stop: Stop) -> None:
        """Ask the run to stop; the first reason counts. What undoes its effects is only stopped by a process that shuts down."""
        if self.stop is None:
            self.stop = stop
            if self.graph is not None:
                self.graph.cancel()
        elif stop is Stop.RELEASE and self.undoing is not None:
            self.released = True
            self.undoing.cancel()


_EVENTS = {
    RunStatus.SUCCEEDED: EventType.RUN_SUCCEEDED,
    RunStatus.FAILED: EventType.RUN_FAILED,
    RunStatus.CANCELLED: EventType.RUN_CANCELLED,
    RunStatus.TIMED_OUT: EventType.RUN_TIMED_OUT,
}


class Executor:
    """Drives runs, each in a task of its own."""

    def __init__(self, ports: Ports, plans: PlanCache, driver: Driver) -> None:
        self._ports = ports
        self._plans = plans
        self._driver = driver
        self._recalling = asyncio.Semaphore(_RECALLING)

    async def drive(self, doing: Drive) -> None:
        """Take a run to its end; returns with the run terminal and durable, released, or lost to another owner."""
        with spans.drive(doing.run) as span:
            await self._drive(doing)
            span.set(spans.ending(doing.run))

    async def _drive(self, doing: Drive) -> None:
        run = doing.run
        memory = await self._memory(doing)
        journal = RunJournal(run, memory.last_seq, self._ports.committer, self._ports.statements, self._ports.hub, self._ports.clock)
        self._begin(run, journal)
        runner: NodeRunner | None = None
        try:
            lethal = {} if doing.fresh else count_tries(run, memory.nodes, journal, self._ports)
            tries = Tries(journal, self._ports.settings.max_value_bytes, self._ports.budgets, lethal)
            await self._ports.values.recall(run, memory.nodes)
            plan = await self._plans.of_run(run)
            runner = NodeRunner(run, plan, journal, self._ports, memory.nodes, tries)
            if not doing.fresh:
                async with self._recalling:
                    await runner.waits.load()
            await self._graph(doing, plan, runner, journal)
            run.outputs = _outputs(plan, runner)
            run.status = RunStatus.SUCCEEDED
        except RunFailed as error:
            run.status, run.error = RunStatus.FAILED, error.error
        except Parked:
            counts.PARKED(run.status.value).inc()
            doing.settled = True
            self._ports.hub.ended(run.id)  # whoever waits for the end looks again
            return
        except (ExpressionError, InvalidSpec, ObjectMissing) as error:
            run.status, run.error = RunStatus.FAILED, _unusable(error)
        except asyncio.CancelledError:
            if not await self._stopped(doing, runner, journal):
                return
        except Exception as error:
            if journal.broken is not None or is_outage(error):
                log.warning("a run is left to its next owner", run_id=run.id, reason=repr(journal.broken or error))
                return
            log.exception("the engine failed", run_id=run.id)
            run.status, run.error = RunStatus.FAILED, run_error(AgentFlowError("The engine failed; the server's log has the details."))
        doing.settled = await self._finish(run, runner, journal)

    async def _memory(self, doing: Drive) -> RunMemory:
        """Return what is stored of a run; a forked run is never fresh, for it begins with what it took over."""
        if doing.run.origin_run_id is not None:
            doing.fresh = False
        if doing.fresh:
            return RunMemory(last_seq=1)
        async with self._recalling:
            return await load_memory(self._ports.database, doing.run)

    async def _graph(self, doing: Drive, plan: Plan, runner: NodeRunner, journal: RunJournal) -> None:
        """Run the graph in a task of its own, so that stopping the run stops the graph and nothing else.

        Raises:
            Parked: the run waits, and is stored as waiting.
        """
        run, loop = doing.run, asyncio.get_running_loop()
        doing.graph = loop.create_task(self._rounds(doing, plan, runner, journal))
        journal.on_broken = doing.graph
        left = (run.deadline_at - self._ports.clock.now()).total_seconds()
        timer = loop.call_later(max(left, 0), doing.ask, Stop.TIMEOUT)
        if doing.stop is not None:
            doing.graph.cancel()
        try:
            await doing.graph
        except asyncio.CancelledError:
            doing.graph.cancel()
            await asyncio.wait([doing.graph])
            raise
        finally:
            timer.cancel()
        if runner.waits.held:
            await park(run, runner, journal, self._ports)

    async def _rounds(self, doing: Drive, plan: Plan, runner: NodeRunner, journal: RunJournal) -> None:
        """Run the graph until nothing can go on any more, also not with what was answered meanwhile."""
        run, fresh = doing.run, doing.fresh
        while True:
            runner.stalled.clear()
            try:
                if not fresh:
                    await runner.rights.check()
                await self._round(doing, plan, runner, journal, fresh=fresh)
            except RunFailed as failure:
                if not plan.compensates:
                    raise
                runner.stalled.clear()  # what other branches waited for is of no use any more
                undoing = Undoing(runner, RunStatus.FAILED)
                await undoing.run()
                failure.error["details"] = {**failure.error.get("details", {}), **undoing.details}
                if not runner.waits.held:
                    raise
            if not runner.stalled.through and not (runner.waits.held and await begin_again(run, runner, journal, self._ports.database)):
                return
            fresh = False

    async def _round(self, doing: Drive, plan: Plan, runner: NodeRunner, journal: RunJournal, *, fresh: bool) -> None:
        """Run the graph until nothing can go on, and look after what waits meanwhile."""
        memory = None if fresh else runner.memory

        def must_stop() -> bool:
            return doing.stop is not None or journal.broken is not None

        async with attended(doing.run, runner.waits, runner.stalled, self._ports, must_stop) as attendant:
            doing.poked = attendant.poke
            await self._driver.drive(plan, runner, doing.run, journal, memory, [] if fresh else runner.begun)

    async def _stopped(self, doing: Drive, runner: NodeRunner | None, journal: RunJournal) -> bool:
        """Say how a run that was stopped ends, and undo what it has done; False when it is lost to another owner.

        Raises:
            CancelledError: the process shuts down; the next owner goes on.
        """
        if journal.broken is None and (doing.stop is None or doing.stop is Stop.RELEASE):
            await journal.flush()
            raise asyncio.CancelledError
        if journal.broken is None and doing.stop is not None:
            doing.run.status, doing.run.error = _reason(doing.stop, doing.run)
            if runner is not None and runner.plan.compensates:
                await self._undo(doing, runner, journal)
        if journal.broken is not None:
            log.warning("run lost to another owner", run_id=doing.run.id, reason=repr(journal.broken))
        return journal.broken is None

    async def _undo(self, doing: Drive, runner: NodeRunner, journal: RunJournal) -> None:
        """Undo what a stopped run has done, for as long as that may take.

        Raises:
            CancelledError: the process shuts down; the next owner goes on.
        """
        undoing = Undoing(runner, doing.run.status)
        if not undoing.needed:
            return
        runner.stalled.clear()
        doing.undoing = journal.on_broken = asyncio.get_running_loop().create_task(undoing.run())
        try:
            _, late = await asyncio.wait([doing.undoing], timeout=self._ports.settings.compensation_timeout_s)
        finally:
            doing.undoing.cancel()
        if late:
            await asyncio.wait(late)
        if not doing.undoing.cancelled() and (error := doing.undoing.exception()) is not None:
            log.error("undoing failed", run_id=doing.run.id, error=repr(error))
        if doing.released:
            doing.run.status, doing.run.error = RunStatus.RUNNING, None
            await journal.flush()
            raise asyncio.CancelledError
        doing.run.error = _with_undone(doing.run, undoing)

    def _begin(self, run: RunRecord, journal: RunJournal) -> None:
        begins = run.started_at is None
        run.status = RunStatus.RUNNING
        run.error = None
        if run.waiting_since is not None:
            unpark(run, journal, self._ports)
        if run.started_at is None:
            run.started_at = self._ports.clock.now()
            counts.STARTED.observe((run.started_at - run.created_at).total_seconds())
        journal.run_changed()
        if begins:
            journal.event(EventType.RUN_STARTED)
        else:
            journal.event(EventType.RUN_RESUMED, data={"attempt": run.attempts})

    async def _finish(self, run: RunRecord, runner: NodeRunner | None, journal: RunJournal) -> bool:
        """Store how a run ended; tells whether that worked."""
        run.ended_at = self._ports.clock.now() if run.status.is_terminal else None
        run.usage = runner.meter.stored() if runner else None
        data: dict[str, Any] = {"outputs": run.outputs} if run.status is RunStatus.SUCCEEDED else {"error": run.error}
        if runner is not None:
            runner.abandon()
        journal.run_changed()
        if run.error is not None and run.error["code"] == TOO_MANY_ATTEMPTS:
            journal.add(self._ports.statements.bury_run, {"id": run.id, "dead_letter_at": run.ended_at})
        journal.event(_EVENTS[run.status], data=data)
        if run.parent_run_id is not None:
            journal.signal(run.parent_run_id)
        try:
            await journal.flush()
        except Exception as error:  # noqa: BLE001 - whatever the database says, the run is no longer ours; the sweeper finds it again
            log.warning("the end of a run was not stored", run_id=run.id, error=repr(error))
            return False
        self._ports.hub.ended(run.id)
        counts.ended(run)
        await self._tell(run, runner)
        return True

    async def _tell(self, run: RunRecord, runner: NodeRunner | None) -> None:
        """Let a parent that waits go on, and end what the run leaves behind."""
        if runner is not None and runner.waits.interrupted:
            await self._ports.interrupts.cancel_open(run.id)
        if run.status is not RunStatus.SUCCEEDED and self._ports.cancel_children is not None:
            await self._ports.cancel_children(run)
        if run.parent_run_id is not None and self._ports.wake is not None:
            await self._ports.wake(run.parent_run_id)


def _outputs(plan: Plan, runner: NodeRunner) -> Any:
    """Return the run's result: ``outputs``, else what the ``output`` node gave, else what the nodes at the ends gave."""
    if plan.outputs is not None:
        return plan.outputs.render(runner.root.names)
    return runner.closing_outputs()


def _reason(stop: Stop, run: RunRecord) -> tuple[RunStatus, dict[str, Any] | None]:
    if stop is Stop.CANCEL:
        return RunStatus.CANCELLED, None
    seconds = (run.deadline_at - run.created_at).total_seconds()
    error = {
        "code": "TIMEOUT",
        "message": f"The run took longer than its limit of {seconds:g} s.",
        "node_id": None,
        "attempt": None,
        "hint": "Raise limits.timeout_s in the specification.",
        "details": {"limit": "timeout_s"},
    }
    return RunStatus.TIMED_OUT, error


def _with_undone(run: RunRecord, undoing: Undoing) -> dict[str, Any]:
    """Return the error of a stopped run, with what came of undoing its effects."""
    details = undoing.details
    left = [*details["not_compensated"], *details.get("interrupted", ())]
    error = run.error or {"code": "CANCELLED", "message": "The run was cancelled.", "node_id": None, "attempt": None, "hint": None}
    done = "What it had done was undone." if not left else f"What it had done was not wholly undone: {', '.join(left)}."
    hint = error["hint"] if not left else "Look at what the named executions did, and undo it by hand where that is needed."
    return {**error, "message": f"{error['message']} {done}", "hint": hint, "details": {**error.get("details", {}), **details}}


def _unusable(error: ExpressionError | InvalidSpec | ObjectMissing) -> dict[str, Any]:
    if not isinstance(error, ExpressionError):
        return run_error(error)
    return {
        "code": "EXPRESSION",
        "message": f"The outputs of the workflow cannot be built: {error}",
        "node_id": None,
        "attempt": None,
        "hint": "Check the templates under outputs against what the nodes really gave.",
        "details": {"expression": error.expression},
    }
