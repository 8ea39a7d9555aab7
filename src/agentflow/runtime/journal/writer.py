"""The journal of one run while it is driven: numbers its events, gathers its rows, and makes them durable in order.

Rows gather for up to ``LINGER_S`` before they are handed to the group committer; ``flush`` hands them over at once and waits for the disk.
One batch of a run is under way at a time, so a batch that fails can never leave a gap before a later one. Events are published to
readers only when they are durable.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError

from agentflow.infra.db.group_commit import Batch, GroupCommitter, Guard, Statement
from agentflow.infra.observability.redaction import Redactor
from agentflow.kit.clock import Clock
from agentflow.runtime.journal.events import Event
from agentflow.runtime.journal.hub import LiveHub
from agentflow.runtime.journal.pages import Entry, pages
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.records.repository import node_row
from agentflow.runtime.records.statements import Statements
from agentflow.runtime.states import EventType

log = structlog.get_logger(__name__)

LINGER_S = 0.002
RETRY_S = (0.1, 0.5, 1.0, 2.0, 4.0)
"""Waits before a batch that the database refused is sent again; together shorter than a lease."""


_SHOWN = ("input", "output", "error")
"""Columns of a node run that hold what users and outside systems wrote."""


class RunJournal:
    """What one owner writes about one run. Everything but ``flush`` returns at once."""

    def __init__(
        self, run: RunRecord, last_seq: int, committer: GroupCommitter, statements: Statements, hub: LiveHub, clock: Clock
    ) -> None:
        self._run = run
        self._seq = last_seq
        self._committer = committer
        self._statements = statements
        self._hub = hub
        self._clock = clock
        self._guard = Guard(run.id, run.fence, run.lease_owner)
        self._batch = Batch(self._guard)
        self._nodes: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._events: list[Entry] = []
        self._after: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self.hidden = Redactor()
        """The secrets that the run has used; its driver fills this in, and what is written here holds none of them."""
        self.broken: BaseException | None = None
        """Why nothing more can be written (lease lost, database gone), or None."""
        self.on_broken: asyncio.Task[Any] | None = None
        """Task to cancel when the journal breaks: the driver of the run."""

    def event(self, type_: EventType, node_id: str | None = None, data: dict[str, Any] | None = None) -> None:
        """Append an event; its row holds no outputs, readers join them from the run or node run."""
        self._seq += 1
        self._events.append(Entry(self._seq, type_, node_id, self._clock.now(), self.hidden.value(data or {})))
        self._linger()

    def live(self, type_: EventType, node_id: str, data: dict[str, Any]) -> None:
        """Show an event to present readers only; it is not stored and has the number of the last stored one."""
        if self._hub.has_readers(self._run.id):
            self._hub.publish(self._run.id, [self._shown(Entry(self._seq, type_, node_id, self._clock.now(), data))])

    def node(self, record: NodeRecord) -> None:
        """Write the present state of a node run; within a batch the last state wins."""
        row = node_row(self._run, record)
        if self.hidden:
            row.update({name: self.hidden.value(row[name]) for name in _SHOWN})
        self._nodes[(record.key, record.iteration)] = row
        self._linger()

    def run_changed(self) -> None:
        """Write the present state of the run."""
        run = self._run
        self._batch.add(
            self._statements.change_run,
            {
                "id": run.id,
                "tenant_id": run.tenant_id,
                "status": run.status.value,
                "outputs": run.outputs,
                "outputs_ref": run.outputs_ref,
                "error": run.error,
                "usage": run.usage,
                "started_at": run.started_at,
                "ended_at": run.ended_at,
            },
        )
        self._linger()

    def add(self, statement: Statement, row: Mapping[str, Any]) -> None:
        """Append a row of another table to the same batch (checkpoints, cached outputs)."""
        self._batch.add(statement, row)
        self._linger()

    def signal(self, run_id: str) -> None:
        """Tell another run, in the same batch, that something it may wait for has happened."""
        self._batch.add(self._statements.signal_run, {"run_id": run_id})
        self._batch.locks = (*self._batch.locks, run_id)
        self._linger()

    def after(self, action: Callable[[], None]) -> None:
        """Call ``action`` once everything written so far is durable; never, when this owner can write no more."""
        if self._pending or self._writing is not None:
            self._after.append(action)
        elif self.broken is None:
            action()

    async def flush(self) -> None:
        """Wait until everything written so far is durable.

        Raises:
            Fenced: the run has another owner.
            DBAPIError: the database refused for longer than the retries last.
        """
        while self._pending or self._writing is not None:
            self._send()
            if self._writing is not None:
                await asyncio.shield(self._writing)
            if self.broken is not None:
                raise self.broken

    @property
    def _pending(self) -> bool:
        return bool(self._batch.writes or self._nodes or self._events)

    def _linger(self) -> None:
        if self._timer is None and self._writing is None and self.broken is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER_S, self._send)

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None or self.broken is not None:
            return
        batch, events, after = self._batch, self._events, self._after
        self._after = []
        if not self._pending:
            _call(after)
            return
        if self._nodes:
            batch.writes[self._statements.put_node] = list(self._nodes.values())
        if events:
            batch.writes[self._statements.add_events] = list(pages(self._run.tenant_id, self._run.id, events))
        self._batch, self._events, self._nodes = Batch(self._guard), [], {}
        self._writing = asyncio.get_running_loop().create_task(self._write(batch, events, after))

    async def _write(self, batch: Batch, events: list[Entry], after: list[Callable[[], None]]) -> None:
        try:
            await self._commit(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, this owner can write no more; the run is found again by the sweeper
            self._break(error)
        else:
            self._publish(events)
            _call(after)
        finally:
            self._writing = None
        self._send()

    def _publish(self, events: list[Entry]) -> None:
        # Most runs have no reader: their events are only rows.
        if self._hub.has_readers(self._run.id):
            self._hub.publish(self._run.id, [self._shown(event) for event in events])

    def _shown(self, entry: Entry) -> Event:
        return Event.model_construct(run_id=self._run.id, **entry._asdict())

    async def _commit(self, batch: Batch) -> None:
        for wait_s in RETRY_S:
            try:
                await self._committer.submit(batch)
            except (DBAPIError, OSError) as error:
                log.warning("journal write failed, will retry", run_id=self._run.id, error=str(error), wait_s=wait_s)
                await asyncio.sleep(wait_s)
            else:
                return
        await self._committer.submit(batch)

    def _break(self, error: BaseException) -> None:
        self.broken = error
        if self.on_broken is not None:
            self.on_broken.cancel()


def _call(actions: list[Callable[[], None]]) -> None:
    for action in actions:
        action()
