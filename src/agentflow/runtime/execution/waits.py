"""What one run waits for, as the owner that drives it knows it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from agentflow.kit.clock import iso
from agentflow.kit.ids import new_id
from agentflow.nodes.context import Question
from agentflow.runtime.execution.failures import Suspended
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.interrupts.mailbox import take
from agentflow.runtime.interrupts.records import Interrupt, InterruptKind, InterruptStatus
from agentflow.runtime.interrupts.store import interrupt_row
from agentflow.runtime.journal.writer import RunJournal
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.states import EventType

Place = tuple[str, int]
"""Key and iteration of a node execution."""


class Waits:
    """The interrupts of one run, and which executions wait now."""

    def __init__(self, run: RunRecord, journal: RunJournal, ports: Ports) -> None:
        self._run, self._journal, self._database = run, journal, ports.database
        self._store, self._statements, self._clock = ports.interrupts, ports.statements, ports.clock
        self._known: dict[tuple[str, int, InterruptKind], Interrupt] = {}
        self._waited = False
        self.held: dict[Place, datetime | None] = {}
        """The executions that wait, each with the moment to look again, or None."""
        self.on_hold: Callable[[], None] | None = None
        """Called when one begins to wait."""

    @property
    def finished(self) -> bool:
        """Whether somebody let the run go on without any more breakpoints."""
        return any(
            interrupt.kind in {InterruptKind.BEFORE, InterruptKind.AFTER} and (interrupt.answer or {}).get("decision") == "finish"
            for interrupt in self._known.values()
        )

    @property
    def breakpoints(self) -> list[Place]:
        """The executions that were stopped at a breakpoint at any time."""
        at = {InterruptKind.BEFORE, InterruptKind.AFTER}
        return [(interrupt.key, interrupt.iteration) for interrupt in self._known.values() if interrupt.kind in at]

    async def load(self) -> None:
        """Read the interrupts of the run; what was asked again at a place stands for what was asked there before."""
        for interrupt in await self._store.of_run(self._run.tenant_id, self._run.id):
            self._known[(interrupt.key, interrupt.iteration, interrupt.kind)] = interrupt
            self._tell(interrupt)

    def latest(self, kind: InterruptKind, place: Place) -> Interrupt | None:
        """Return the newest interrupt of a kind at a place, or None."""
        return self._known.get((*place, kind))

    @property
    def interrupted(self) -> bool:
        """Whether the run has waited for anything."""
        return self._waited or bool(self._known)

    @property
    def open(self) -> list[Interrupt]:
        """The interrupts that nobody has answered."""
        return [interrupt for interrupt in self._known.values() if interrupt.status is InterruptStatus.OPEN]

    @property
    def wake_at(self) -> datetime | None:
        """When the run has to be taken up although nothing has come, or None."""
        return min((moment for moment in self.held.values() if moment is not None), default=None)

    def hold(self, place: Place, wake_at: datetime | None) -> None:
        """Note that an execution waits."""
        self.held[place] = wake_at
        self._waited = True
        if self.on_hold is not None:
            self.on_hold()

    def asks(self, place: Place) -> bool:
        """Tell whether a question at a place is open."""
        return any((interrupt.key, interrupt.iteration) == place for interrupt in self.open)

    async def settled(
        self, kind: InterruptKind, place: Place, request: Callable[[], Mapping[str, Any]], *, again: bool = False
    ) -> Interrupt | None:
        """Return the answer to a question at a place, asking it first if need be; None while it is open.

        Args:
            kind: what is waited for.
            place: who waits.
            request: makes what is asked.
            again: ask anew although there is an answer.
        """
        known = self.latest(kind, place)
        if known is None or again:
            known = self._ask(kind, place, request(), round_=known.round + 1 if known else 0)
        known = await self._look(known)
        return None if known.status is InterruptStatus.OPEN else known

    async def ask(self, place: Place, question: Question) -> Interrupt:
        """Return the settled interrupt of a node's question.

        Raises:
            Suspended: it is open.
        """
        kind = InterruptKind(question.kind)
        known = self.latest(kind, place)
        if known is None:
            known = self._ask(kind, place, question.request, question=question)
        known = await self._look(known)
        if known.status is InterruptStatus.OPEN:
            raise Suspended(known.wake_at)
        self.announce(known)
        return known

    async def _look(self, interrupt: Interrupt) -> Interrupt:
        """Do what is due with an open interrupt, and return it as it stands then."""
        if interrupt.status is not InterruptStatus.OPEN:
            return interrupt
        now = self._clock.now()
        if interrupt.wake_at is not None and interrupt.wake_at <= now:
            await self._journal.flush()
            if not await self._store.expire(interrupt, now):
                await self._store.escalate(interrupt, now)
            # Also when neither was done: then somebody answered it, or gave it more time.
            await self.load()
        elif interrupt.kind is InterruptKind.EVENT:
            # The wait is stored before the mailbox is looked into: a signal that comes now finds either this look or the stored wait.
            await self._journal.flush()
            if await take(self._database, self._run, interrupt, now):
                await self.load()
        return self._known[(interrupt.key, interrupt.iteration, interrupt.kind)]

    def _ask(
        self, kind: InterruptKind, place: Place, request: Mapping[str, Any], *, round_: int = 0, question: Question | None = None
    ) -> Interrupt:
        now = self._clock.now()
        asked = Interrupt(new_id(), self._run.tenant_id, self._run.id, *place, kind, dict(request), now, round=round_)
        if question is not None:
            asked.assignees = list(question.assignees) or None
            asked.event_name, asked.event_key = question.event_name, question.event_key
            asked.expires_at = _after(now, question.expires_in_s)
            asked.escalate_at = _after(now, question.escalate_in_s)
        self._known[(*place, kind)] = asked
        self._journal.add(self._statements.add_interrupt, interrupt_row(asked))
        self._journal.event(EventType.INTERRUPT_REQUESTED, place[0], _requested(asked))
        return asked

    def announce(self, interrupt: Interrupt) -> None:
        """Append the event that tells how an interrupt was settled, unless it is in the log; call it when the run goes on with it."""
        if interrupt.announced or interrupt.status is InterruptStatus.OPEN:
            return
        interrupt.announced = True
        answer = interrupt.answer or {}
        data: dict[str, Any] = {
            "interrupt_id": interrupt.id,
            "kind": interrupt.kind.value,
            "status": interrupt.status.value,
            "decision": answer.get("decision"),
            "values": answer.get("values"),
            "comment": answer.get("comment"),
            "by": interrupt.answered_by,
        }
        self._journal.event(EventType.INTERRUPT_ANSWERED, interrupt.key, data)
        self._journal.add(self._statements.announce, {"id": interrupt.id, "announced": True})

    def _tell(self, interrupt: Interrupt) -> None:
        """Append the events of changes that others made to an interrupt, each once."""
        changes = interrupt.changes or []
        if len(changes) <= interrupt.told:
            return
        for change in changes[interrupt.told :]:
            data = {"interrupt_id": interrupt.id, **{name: value for name, value in change.items() if name != "type"}}
            self._journal.event(EventType(change["type"]), interrupt.key, data)
        interrupt.told = len(changes)
        self._journal.add(self._statements.tell, {"id": interrupt.id, "told": interrupt.told})

    def announce_all(self, place: Place, kinds: Sequence[InterruptKind]) -> None:
        """Announce what was settled at a place whose execution goes on."""
        for kind in kinds:
            interrupt = self.latest(kind, place)
            if interrupt is not None:
                self.announce(interrupt)


def _requested(interrupt: Interrupt) -> dict[str, Any]:
    data: dict[str, Any] = {"interrupt_id": interrupt.id, "kind": interrupt.kind.value, "request": interrupt.request}
    if interrupt.iteration:
        data["iteration"] = interrupt.iteration
    if interrupt.assignees:
        data["assignees"] = interrupt.assignees
    if interrupt.expires_at is not None:
        data["expires_at"] = iso(interrupt.expires_at)
    return data


def _after(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=seconds)
