"""Events that are sent to runs: to whoever waits for them now, or into the mailbox of one run until one of its nodes does."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.infra.db.engine import Database
from agentflow.kit.ids import new_id
from agentflow.kit.json_schema import Mismatch, mismatches
from agentflow.runtime.interrupts.records import Interrupt, InterruptKind
from agentflow.runtime.interrupts.store import COLUMNS, OPEN, in_time, lock_runs, settle, to_interrupt
from agentflow.runtime.records.models import InterruptRow, RunSignalRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.statements import RUNS, signalled

T = TypeVar("T")
_AT_ONCE = 500
"""Runs that one statement names."""


def misfits(interrupt: Interrupt, data: Any) -> list[Mismatch]:
    """Return where an event's data do not fit what is waited for."""
    return mismatches(interrupt.request.get("json_schema") or {}, data, "/data")


def event_answer(data: Any) -> dict[str, Any]:
    """Return an event's data as the answer of the interrupt that waited for it."""
    return {"values": data}


async def deliver(
    session: AsyncSession, tenant_id: str, name: str, key: str | None, data: Any, by: str, now: datetime
) -> tuple[list[str], int]:
    """Hand an event to every open wait of a tenant that it fits.

    A wait with a key takes only events with that key; one without takes any event of the name.

    Returns:
        The ids of the runs that got it, and how many waits refused its data.
    """
    fitting = InterruptRow.event_key.is_(None) if key is None else or_(InterruptRow.event_key.is_(None), InterruptRow.event_key == key)
    query = select(*COLUMNS).where(InterruptRow.tenant_id == tenant_id, InterruptRow.event_name == name, OPEN, in_time(now), fitting)
    waits = [to_interrupt(row) for row in (await session.execute(query)).all()]
    takers = [wait for wait in waits if not misfits(wait, data)]
    got: list[str] = []
    for some in _parts(sorted(takers, key=lambda wait: wait.run_id)):
        states = await lock_runs(session, [wait.run_id for wait in some])
        live = [wait for wait in some if not states[wait.run_id].is_terminal]
        got += [wait.run_id for wait in live if await settle(session, wait, event_answer(data), by, now)]
    for ids in _parts(list(dict.fromkeys(got))):
        await session.execute(signalled().where(RUNS.c.id.in_(ids)))
    return got, len(waits) - len(takers)


def _parts(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


async def open_waits(session: AsyncSession, run_id: str, name: str, now: datetime) -> list[Interrupt]:
    """Return the open waits of a run for an event, oldest first."""
    query = select(*COLUMNS).where(InterruptRow.run_id == run_id, InterruptRow.event_name == name, OPEN, in_time(now))
    return [to_interrupt(row) for row in (await session.execute(query.order_by(InterruptRow.id))).all()]


async def hand_over(session: AsyncSession, wait: Interrupt, data: Any, by: str, now: datetime) -> None:
    """Answer an open wait of a locked run with a signal, and put the run back into the queue."""
    await settle(session, wait, event_answer(data), by, now)
    await session.execute(signalled().where(RUNS.c.id == wait.run_id))


async def keep(session: AsyncSession, run: RunRecord, name: str, data: Any, by: str, now: datetime) -> None:
    """Put a signal into the mailbox of a locked run."""
    row = {"id": new_id(), "tenant_id": run.tenant_id, "run_id": run.id, "name": name, "data": data, "sent_by": by, "created_at": now}
    await session.execute(insert(RunSignalRow).values(row))


async def kept(session: AsyncSession, run_id: str) -> int:
    """Return how many signals of a run nobody has taken."""
    query = select(func.count()).select_from(RunSignalRow).where(RunSignalRow.run_id == run_id, RunSignalRow.taken_by.is_(None))
    return int(await session.scalar(query) or 0)


async def take(database: Database, run: RunRecord, wait: Interrupt, now: datetime) -> bool:
    """Answer an open wait with the oldest signal in the run's mailbox that fits it; False when there is none.

    Taking and answering are one transaction, and only the run's owner does it: each signal is taken once.
    """
    assert wait.kind is InterruptKind.EVENT  # noqa: S101 - nothing else has an event name
    async with database.transaction() as session:
        fence = await session.scalar(select(RUNS.c.fence).where(RUNS.c.id == run.id).with_for_update())
        if fence != run.fence:
            return False
        query = select(RunSignalRow).where(
            RunSignalRow.run_id == run.id, RunSignalRow.name == wait.event_name, RunSignalRow.taken_by.is_(None)
        )
        signals: Sequence[RunSignalRow] = (await session.scalars(query.order_by(RunSignalRow.id))).all()
        found = next((signal for signal in signals if not misfits(wait, signal.data)), None)
        if found is None or not await settle(session, wait, event_answer(found.data), found.sent_by, now):
            return False
        await session.execute(update(RunSignalRow).where(RunSignalRow.id == found.id).values(taken_by=wait.id))
    return True
