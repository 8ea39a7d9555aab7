"""Pausing runs, and letting them go on."""

from collections.abc import Awaitable, Callable

from sqlalchemy import update

from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.interrupts.store import lock_runs
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import get_run
from agentflow.runtime.records.statements import RUNS, signalled
from agentflow.runtime.runs.messages import RunHasEnded
from agentflow.runtime.runs.queries import live_children
from agentflow.runtime.runs.schemas import Run
from agentflow.runtime.runs.wire import to_run


class Pausing:
    """Pauses runs of one subject at a time.

    A paused run is one that nothing may begin of. Its owner learns of it by a signal, lets what is under way come to its end, and puts
    the run aside as one that waits; the time that it waits does not count towards its time limit.

    Args:
        ports: the outside.
        driven: returns a run as this process has it in its hands, or None.
        wake: tells the owner of a run that something has come for it.
    """

    def __init__(self, ports: Ports, driven: Callable[[str], RunRecord | None], wake: Callable[[str], Awaitable[None]]) -> None:
        self._ports = ports
        self._driven = driven
        self._wake = wake

    async def pause(self, subject: Subject, run_id: str) -> Run:
        """Let nothing more of a run and of its children begin; one that is paused stays as it is.

        Raises:
            RunNotFound: the tenant has no such run.
            RunHasEnded: there is nothing left to pause.
        """
        return await self._change(subject, run_id, paused=True)

    async def resume(self, subject: Subject, run_id: str) -> Run:
        """Let a paused run and its children go on; one that is not paused stays as it is.

        Raises:
            RunNotFound: the tenant has no such run.
            RunHasEnded: there is nothing left to go on with.
        """
        return await self._change(subject, run_id, paused=False)

    async def _change(self, subject: Subject, run_id: str, *, paused: bool) -> Run:
        run = await get_run(self._ports.database, subject, run_id)
        if not await self._store(subject, run, paused=paused):
            word = "paused" if paused else "resumed"
            raise RunHasEnded(f"The run has ended and cannot be {word}.", hint="Start it again with POST /api/v1/runs/RUN/retry.")
        return to_run(await get_run(self._ports.database, subject, run_id))

    async def _store(self, subject: Subject, run: RunRecord, *, paused: bool) -> bool:
        """Store the wish for a run and for those that it started; False when it has ended."""
        async with self._ports.database.transaction() as session:
            if (await lock_runs(session, [run.id]))[run.id].is_terminal:
                return False
            now = self._ports.clock.now()
            values = {"paused_at": now, "paused_by": subject.user_id} if paused else {"paused_at": None, "paused_by": None}
            is_other = RunRow.paused_at.is_(None) if paused else RunRow.paused_at.is_not(None)
            changed = (await session.execute(update(RunRow).where(RunRow.id == run.id, is_other).values(**values))).rowcount  # type: ignore[attr-defined]  # of an update
            if changed:
                await session.execute(signalled().where(RUNS.c.id == run.id))
                await self._ports.note(session, subject, Deed("run.paused" if paused else "run.resumed", run.id))
        here = self._driven(run.id)
        if paused and here is not None:
            here.paused_at, here.paused_by = now, subject.user_id  # at once: when this is answered, nothing more begins in this process
        if changed:
            await self._wake(run.id)
        for child in await live_children(self._ports.database, run.id):
            await self._store(subject, child, paused=paused)
        return True
