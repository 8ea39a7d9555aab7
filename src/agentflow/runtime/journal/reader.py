"""Reading the event log of a run from any point, and following it live: no gap, no repeat."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

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

# Built once: building them takes longer than running them.
_PAGES_BEHIND = (
    select(EVENTS.c.first_seq, EVENTS.c.events)
    .where(EVENTS.c.tenant_id == bindparam("tenant_id"), EVENTS.c.run_id == bindparam("run_id"), EVENTS.c.last_seq > bindparam("last"))
    .order_by(EVENTS.c.first_seq)
    .limit(_PAGES)
)
_ALL_OUTPUTS = select(NODE_RUNS.c.key, NODE_RUNS.c.iteration, NODE_RUNS.c.output, NODE_RUNS.c.output_ref).where(
    NODE_RUNS.c.run_id == bindparam("run_id")
)
_SOME_OUTPUTS = _ALL_OUTPUTS.where(NODE_RUNS.c.key.in_(bindparam("keys", expanding=True)))
_RUN_OUTPUTS = select(RUNS.c.outputs, RUNS.c.outputs_ref).where(RUNS.c.id == bindparam("run_id"))

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
        def look(connection: Connection) -> tuple[list[Entry], dict[Any, Any]]:
            found = _entries(connection, run, after, limit)
            return found, _outputs(connection, run, found)

        found, outputs = await self._database.read(look, run.tenant_id)
        budget = self._values.budget()
        return [await self._event(run.id, entry, outputs, budget) for entry in found]

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


def _entries(connection: Connection, run: RunRecord, after: int, limit: int) -> list[Entry]:
    """Return up to ``limit`` events behind ``after``; a page may begin before it."""
    found: list[Entry] = []
    while len(found) < limit:
        last = found[-1].seq if found else after
        rows = connection.execute(_PAGES_BEHIND, {"tenant_id": run.tenant_id, "run_id": run.id, "last": last}).all()
        found.extend(entry for row in rows for entry in entries(row.first_seq, row.events) if entry.seq > last)
        if len(rows) < _PAGES:
            break
    return found[:limit]


def _outputs(connection: Connection, run: RunRecord, found: Sequence[Entry]) -> dict[Any, Any]:
    """Return the outputs that belong into events, each with its reference: they are stored once, with the node run and the run."""
    keys = {entry.node_id for entry in found if entry.type is EventType.NODE_COMPLETED}
    outputs: dict[Any, Any] = {}
    if keys:
        few = len(keys) <= BATCH // 2
        rows = connection.execute(_SOME_OUTPUTS if few else _ALL_OUTPUTS, {"run_id": run.id, **({"keys": list(keys)} if few else {})}).all()
        outputs.update({(key, iteration): (output, ref) for key, iteration, output, ref in rows})
    if found and found[-1].type is EventType.RUN_SUCCEEDED:
        row = connection.execute(_RUN_OUTPUTS, {"run_id": run.id}).one_or_none()
        outputs[None] = None if row is None else tuple(row)
    return outputs
