"""Storing interrupts and their answers. The first valid answer wins: it is one conditional update."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Row, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import iso
from agentflow.runtime.interrupts.records import Interrupt, InterruptKind, InterruptStatus
from agentflow.runtime.records.models import InterruptRow
from agentflow.runtime.records.statements import INTERRUPTS, RUNS, one_of, signalled
from agentflow.runtime.states import EventType, RunStatus

_FIELDS = tuple(item.name for item in fields(Interrupt))
COLUMNS = tuple(INTERRUPTS.c[name] for name in _FIELDS)
_OF_RUN = (
    select(*COLUMNS)
    .where(INTERRUPTS.c.tenant_id == bindparam("tenant_id"), INTERRUPTS.c.run_id == bindparam("run_id"))
    .order_by(INTERRUPTS.c.id)
)
OPEN = one_of(INTERRUPTS.c.status, InterruptStatus.OPEN)
Note: TypeAlias = Callable[[AsyncSession], Awaitable[None]]


def interrupt_row(interrupt: Interrupt) -> dict[str, Any]:
    """Return an interrupt as the parameters of an insert."""
    row = {name: getattr(interrupt, name) for name in _FIELDS}
    row["kind"], row["status"] = interrupt.kind.value, interrupt.status.value
    return row


def to_interrupt(row: Row[Any] | Sequence[Any]) -> Interrupt:
    """Return a row of ``COLUMNS`` as a record."""
    found = Interrupt(**dict(zip(_FIELDS, row, strict=True)))
    found.kind, found.status = InterruptKind(found.kind), InterruptStatus(found.status)
    return found


def in_time(now: datetime) -> ColumnElement[bool]:
    """Return the condition that an interrupt may still be answered, as far as time goes."""
    return or_(InterruptRow.expires_at.is_(None), InterruptRow.expires_at > now)


async def lock_runs(session: AsyncSession, run_ids: Sequence[str]) -> dict[str, RunStatus]:
    """Lock runs until the end of the transaction, in the order in which everybody locks them, and return where they are.

    Whoever writes an interrupt locks its run before: owners do, so that two transactions cannot wait for one another in a circle.
    """
    query = select(RUNS.c.id, RUNS.c.status).where(RUNS.c.id.in_(run_ids)).order_by(RUNS.c.id).with_for_update()
    return {run_id: RunStatus(status) for run_id, status in (await session.execute(query)).all()}


async def settle(session: AsyncSession, interrupt: Interrupt, answer: dict[str, Any], by: str, now: datetime) -> bool:
    """Answer an open interrupt whose run is locked; False when it is no longer open."""
    statement = (
        update(InterruptRow)
        .where(InterruptRow.id == interrupt.id, OPEN, in_time(now))
        .values(status=InterruptStatus.ANSWERED.value, answer=answer, answered_by=by, answered_at=now)
    )
    return _changed(await session.execute(statement))


async def _no_note(_session: AsyncSession) -> None:
    """Write nothing down."""


class InterruptStore:
    """The interrupts of all runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_run(self, tenant_id: str, run_id: str) -> list[Interrupt]:
        """Return every interrupt of a run, oldest first."""
        names = {"tenant_id": tenant_id, "run_id": run_id}
        return await self._database.read(
            lambda connection: [to_interrupt(row) for row in connection.execute(_OF_RUN, names).all()], tenant_id
        )

    async def find(self, subject: Subject, interrupt_id: str) -> Interrupt | None:
        """Return an interrupt of the subject's tenant, or None."""
        query = select(*COLUMNS).where(InterruptRow.tenant_id == subject.tenant_id, InterruptRow.id == interrupt_id)
        row = await self._database.read_one(query, tenant_id=subject.tenant_id)
        return None if row is None else to_interrupt(row)

    async def answer(self, interrupt: Interrupt, answer: dict[str, Any], by: str, now: datetime, note: Note = _no_note) -> bool:
        """Answer an open interrupt and put its run back into the queue, in one transaction; False when it is no longer open.

        ``note`` writes down, in the same transaction, that it was done.
        """
        async with self._database.transaction() as session:
            states = await lock_runs(session, [interrupt.run_id])
            if states[interrupt.run_id].is_terminal:
                return False
            won = await settle(session, interrupt, answer, by, now)
            if won:
                await session.execute(signalled().where(RUNS.c.id == interrupt.run_id))
                await note(session)
        return won

    async def expire(self, interrupt: Interrupt, now: datetime) -> bool:
        """Close an interrupt whose time is over; False when somebody answered it before, or it may be answered for longer by now."""
        statement = (
            update(InterruptRow)
            .where(InterruptRow.id == interrupt.id, OPEN, InterruptRow.expires_at <= now)
            .values(status=InterruptStatus.EXPIRED.value)
        )
        async with self._database.transaction() as session:
            return _changed(await session.execute(statement))

    async def escalate(self, interrupt: Interrupt, now: datetime) -> bool:
        """Let ``request["escalate_to"]`` answer too; False when that was done, or the interrupt was settled."""
        async with self._database.transaction() as session:
            await lock_runs(session, [interrupt.run_id])
            known = await _fresh(session, interrupt.id)
            if known.status is not InterruptStatus.OPEN or known.escalate_at is None or known.escalate_at > now:
                return False
            everybody = list(dict.fromkeys([*(known.assignees or ()), *known.request.get("escalate_to", ())]))
            await _change(session, known, EventType.INTERRUPT_ESCALATED, now, assignees=everybody, escalate_at=None)
        return True

    async def reassign(self, interrupt: Interrupt, values: dict[str, Any], by: str, now: datetime, note: Note = _no_note) -> bool:
        """Change who may answer (``assignees``) or until when (``expires_at``), and let the run take note; False when it is not open.

        ``note`` writes down, in the same transaction, that it was done.
        """
        async with self._database.transaction() as session:
            states = await lock_runs(session, [interrupt.run_id])
            known = await _fresh(session, interrupt.id)
            over = known.expires_at is not None and known.expires_at <= now
            if known.status is not InterruptStatus.OPEN or over or states[interrupt.run_id].is_terminal:
                return False
            await _change(session, known, EventType.INTERRUPT_REASSIGNED, now, by=by, **values)
            await session.execute(signalled().where(RUNS.c.id == interrupt.run_id))
            await note(session)
        return True

    async def cancel_open(self, run_id: str) -> None:
        """Close what a run that has ended still asked."""
        statement = update(InterruptRow).where(InterruptRow.run_id == run_id, OPEN).values(status=InterruptStatus.CANCELLED.value)
        async with self._database.transaction() as session:
            await session.execute(statement)


async def _fresh(session: AsyncSession, interrupt_id: str) -> Interrupt:
    return to_interrupt((await session.execute(select(*COLUMNS).where(InterruptRow.id == interrupt_id))).one())


async def _change(session: AsyncSession, known: Interrupt, event: EventType, now: datetime, by: str | None = None, **values: Any) -> None:
    """Write new values and note the change; the owner of the run appends the event, for only owners number events."""
    after = {"assignees": known.assignees, "expires_at": known.expires_at, **values}
    expires_at = after["expires_at"]
    change = {
        "type": event.value,
        "by": by,
        "at": iso(now),
        "assignees": after["assignees"] or [],
        "expires_at": None if expires_at is None else iso(expires_at),
    }
    changes = [*(known.changes or ()), change]
    await session.execute(update(InterruptRow).where(InterruptRow.id == known.id).values(changes=changes, **values))


def _changed(result: Any) -> bool:
    return bool(result.rowcount == 1)
