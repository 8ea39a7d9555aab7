"""Reading the event log of a run from any point, and following it live: no gap, no repeat."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.hub import READING_S, LiveHub, Subscription
from agentflow.runtime.journal.pages import Entry, entries
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import get_run
from agentflow.runtime.records.statements import EVENTS, NODE_RUNS, RUNS
from agentflow.runtime.states import EventType
from agentflow.runtime.values.large import Budget, LargeValues, link

BATCH = 1_000
_PAGES = 64
"""Pages read at a time."""
POLL_S = 1.0
"""How often a follower looks into the log by itself, for runs that another process drives."""

ENDS = frozenset({EventType.RUN_SUCCEEDED, EventType.RUN_FAILED, EventType.RUN_CANCELLED, EventType.RUN_TIMED_OUT})


class EventReader:
    """The event log, for one tenant at a time."""

    def __init__(self, database: Database, hub: LiveHub, values: LargeValues) -> None:
        self._database = database
        self._values = values
        self._hub = hub

    async def read(self, subject: Subject, run_id: str, after: int, limit: int) -> list[Event]:
        """Return up to ``limit`` stored events behind ``after``, in order.

        Raises:
            NotFound: the tenant has no such run.
        """
        run = await get_run(self._database, subject, run_id)
        return await self._page(run, after, limit)

    async def follow(self, subject: Subject, run_id: str, after: int) -> AsyncIterator[Event]:
        """Yield every event behind ``after``, then those that come, up to the event that ends the run.

        Raises:
            NotFound: the tenant has no such run.
        """
        run = await get_run(self._database, subject, run_id)
        subscription = self._hub.subscribe(run_id)
        try:
            async for event in self._follow(run, subject, subscription, after):
                yield event
                if event.type in ENDS:
                    return
        finally:
            self._hub.unsubscribe(run_id, subscription)

    async def _follow(self, run: RunRecord, subject: Subject, subscription: Subscription, after: int) -> AsyncIterator[Event]:
        seq, announced = after, time.monotonic()
        while True:
            if time.monotonic() > announced + READING_S / 3:
                announced = time.monotonic()
                self._hub.announce(run.id)
            page = await self._page(run, seq, BATCH)
            for event in page:
                seq = event.seq
                yield event
            if len(page) == BATCH:
                continue
            if not page and run.status.is_terminal:
                return
            async for event in self._live(subscription, seq):
                seq = event.seq
                yield event
            run = await get_run(self._database, subject, run.id)

    async def _live(self, subscription: Subscription, seq: int) -> AsyncIterator[Event]:
        """Yield live events as long as they join up with ``seq``."""
        while True:
            events = await subscription.take(POLL_S)
            if subscription.lagged or not events:
                subscription.lagged = False
                return
            for event in events:
                if event.type is EventType.NODE_TOKEN:
                    yield event.model_copy(update={"seq": seq})
                elif event.seq == seq + 1:
                    seq = event.seq
                    yield event
                elif event.seq > seq:
                    return

    async def _page(self, run: RunRecord, after: int, limit: int) -> list[Event]:
        async with self._database.reading(run.tenant_id) as session:
            found = await self._entries(session, run, after, limit)
            outputs = await self._outputs(session, run, found)
        budget = self._values.budget()
        return [await self._event(run.id, entry, outputs, budget) for entry in found]

    async def _entries(self, session: AsyncSession, run: RunRecord, after: int, limit: int) -> list[Entry]:
        """Return up to ``limit`` events behind ``after``; a page may begin before it."""
        found: list[Entry] = []
        query = select(EVENTS.c.first_seq, EVENTS.c.events).where(EVENTS.c.tenant_id == run.tenant_id, EVENTS.c.run_id == run.id)
        query = query.order_by(EVENTS.c.first_seq).limit(_PAGES)
        while len(found) < limit:
            last = found[-1].seq if found else after
            rows = (await session.execute(query.where(EVENTS.c.last_seq > last))).all()
            found.extend(entry for row in rows for entry in entries(row.first_seq, row.events) if entry.seq > last)
            if len(rows) < _PAGES:
                break
        return found[:limit]

    async def _outputs(self, session: AsyncSession, run: RunRecord, found: Sequence[Entry]) -> dict[Any, Any]:
        """Return the outputs that belong into events, each with its reference: they are stored once, with the node run and the run."""
        keys = {entry.node_id for entry in found if entry.type is EventType.NODE_COMPLETED}
        outputs: dict[Any, Any] = {}
        if keys:
            c = NODE_RUNS.c
            query = select(c.key, c.iteration, c.output, c.output_ref).where(c.run_id == run.id)
            if len(keys) <= BATCH // 2:
                query = query.where(c.key.in_(keys))
            outputs.update({(key, iteration): (output, ref) for key, iteration, output, ref in (await session.execute(query)).all()})
        if found and found[-1].type is EventType.RUN_SUCCEEDED:
            row = (await session.execute(select(RUNS.c.outputs, RUNS.c.outputs_ref).where(RUNS.c.id == run.id))).one_or_none()
            outputs[None] = None if row is None else tuple(row)
        return outputs

    async def _event(self, run_id: str, entry: Entry, outputs: dict[Any, Any], budget: Budget) -> Event:
        """Return a stored event with its output; one too large for the answer is named by a link instead."""
        data = entry.data
        if entry.type is EventType.NODE_COMPLETED:
            name, place = "output", (entry.node_id, data.get("iteration", 0))
        elif entry.type is EventType.RUN_SUCCEEDED:
            name, place = "outputs", None
        else:
            return Event.model_construct(run_id=run_id, **entry._asdict())
        data[name], reference = outputs.get(place) or (None, None)
        if reference is not None:
            if budget.take(reference["size"]):
                data[name] = await self._values.get(reference)
            else:
                data["large_values"] = {name: link(reference)}
        return Event.model_construct(run_id=run_id, **entry._asdict())
