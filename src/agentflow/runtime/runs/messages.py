"""Sending events: to everybody who waits for them, or to one run."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Conflict, Invalid, LimitExceeded
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.runtime.execution.ports import Ports
from agentflow.runtime.interrupts import mailbox
from agentflow.runtime.interrupts.store import lock_runs
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import get_run
from agentflow.runtime.runs.interrupt_schemas import Delivery, EventSend, SignalReceipt, SignalSend

MAX_KEPT = 1_000
"""Most signals that wait in the mailbox of one run."""
_NAMED = 100
"""Runs that a delivery names, and that are taken up at once; the sweeper finds the others."""


class RunHasEnded(Conflict):
    """The run has ended; nothing can reach it."""

    code, title = "RUN_ENDED", "The run has ended"


class InvalidEvent(Invalid):
    """The data do not fit what the run waits for; ``errors`` say where."""

    code, title = "INVALID_EVENT", "Invalid event"


class Messages:
    """Events for runs, from one subject at a time."""

    def __init__(self, ports: Ports, wake: Callable[[str], Awaitable[None]]) -> None:
        self._ports = ports
        self._wake = wake
        self._once = Once(ports.database, ports.clock, ports.settings.idempotency_ttl_s)

    async def send(self, subject: Subject, event: EventSend, *, idempotency: Idempotency | None = None) -> Delivery:
        """Hand an event to every open wait of the tenant that it fits, in one transaction.

        Raises:
            IdempotencyKeyReused: the key was used with another body.
        """

        async def make(session: AsyncSession) -> Delivery:
            now = self._ports.clock.now()
            got, refused = await mailbox.deliver(session, subject.tenant_id, event.name, event.key, event.data, subject.user_id, now)
            said = {"name": event.name, "delivered": len(got)}
            await self._ports.note(session, subject, Deed("event.sent", None, said))
            return Delivery(delivered=len(got), refused=refused, run_ids=list(dict.fromkeys(got))[:_NAMED])

        delivery = await self._once.create(subject.tenant_id, idempotency, Delivery, make)
        for run_id in delivery.run_ids:
            await self._wake(run_id)
        return delivery

    async def signal(self, subject: Subject, run_id: str, signal: SignalSend, *, idempotency: Idempotency | None = None) -> SignalReceipt:
        """Hand an event to one run: to the node that waits for it, else into the run's mailbox, for the next one that does.

        Raises:
            RunNotFound: the tenant has no such run.
            RunHasEnded: nothing can reach it.
            InvalidEvent: a node waits for it, and the data do not fit.
            LimitExceeded: the mailbox is full.
            IdempotencyKeyReused: the key was used with another body.
        """
        run = await get_run(self._ports.database, subject, run_id)

        async def make(session: AsyncSession) -> SignalReceipt:
            receipt = SignalReceipt(delivered=await self._put(session, subject, run, signal))
            await self._ports.note(session, subject, Deed("run.signalled", run.id, {"name": signal.name}))
            return receipt

        receipt = await self._once.create(subject.tenant_id, idempotency, SignalReceipt, make)
        if receipt.delivered:
            await self._wake(run.id)
        return receipt

    async def _put(self, session: AsyncSession, subject: Subject, run: RunRecord, signal: SignalSend) -> bool:
        states, now = await lock_runs(session, [run.id]), self._ports.clock.now()
        if states[run.id].is_terminal:
            raise RunHasEnded(f"The run is {states[run.id].value}; {signal.name} cannot reach it.")
        waits = await mailbox.open_waits(session, run.id, signal.name, now)
        for wait in waits:
            if not mailbox.misfits(wait, signal.data):
                await mailbox.hand_over(session, wait, signal.data, subject.user_id, now)
                return True
        if waits:
            problems = mailbox.misfits(waits[0], signal.data)
            raise InvalidEvent(
                f"The data do not fit what {waits[0].key} waits for: {problems[0].message} at {problems[0].path}.",
                errors=[problem._asdict() for problem in problems],
            )
        if await mailbox.kept(session, run.id) >= MAX_KEPT:
            raise LimitExceeded(f"{MAX_KEPT} events wait in the mailbox of the run; that is the most.")
        await mailbox.keep(session, run, signal.name, signal.data, subject.user_id, now)
        return False
