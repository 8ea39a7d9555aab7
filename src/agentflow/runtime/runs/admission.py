"""Accepting a run: one committed row and the ``run.queued`` event, before anybody is told."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError

from agentflow.infra.db.group_commit import Batch
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import IdempotencyKeyReused
from agentflow.runtime.dispatch.base import Dispatcher
from agentflow.runtime.execution.ports import ChildRequest, Ports
from agentflow.runtime.journal.pages import Entry, pages
from agentflow.runtime.queue.leases import Leases
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import RUN_COLUMNS, run_row, to_run
from agentflow.runtime.states import EventType


class Admission:
    """Writes admission rows through the group committer."""

    def __init__(self, ports: Ports, leases: Leases) -> None:
        self._ports = ports
        self._leases = leases
        self._stored_specs: set[tuple[str, str]] = set()

    async def admit(self, run: RunRecord, spec: Any, idempotency: Idempotency | None) -> tuple[RunRecord, bool]:
        """Make a run durable, owned by this process; returns the run and whether it is new.

        Raises:
            IdempotencyKeyReused: the key belongs to a run that was asked for with another body.
        """
        if idempotency is not None:
            run.idempotency_key = f"{run.workflow_id or 'inline'}:{idempotency.key}"
            run.idempotency_hash = idempotency.body_hash
            known = await self._find_by_key(run)
            if known is not None:
                return known, False
        self._leases.grant(run)
        try:
            await self._ports.committer.submit(self._batch(run, spec))
        except IntegrityError:
            known = await self._twin(run)
            if known is None:
                raise
            return known, False
        self._stored_specs.add((run.tenant_id, run.spec_hash))
        return run, True

    def _batch(self, run: RunRecord, spec: Any) -> Batch:
        statements, batch = self._ports.statements, Batch()
        if (run.tenant_id, run.spec_hash) not in self._stored_specs:
            batch.add(statements.put_spec, {"tenant_id": run.tenant_id, "spec_hash": run.spec_hash, "spec": spec})
        batch.add(statements.add_run, run_row(run))
        queued = Entry(1, EventType.RUN_QUEUED, None, run.created_at, {})
        for page in pages(run.tenant_id, run.id, [queued]):
            batch.add(statements.add_events, page)
        return batch

    async def _twin(self, run: RunRecord) -> RunRecord | None:
        """Return the run that a concurrent request with the same key, or a recovered parent, admitted first."""
        if run.idempotency_key is not None:
            return await self._find_by_key(run)
        if run.parent_run_id is not None:
            return await self._one(RunRow.parent_run_id == run.parent_run_id, RunRow.parent_key == run.parent_key)
        return None

    async def _find_by_key(self, run: RunRecord) -> RunRecord | None:
        known = await self._one(RunRow.tenant_id == run.tenant_id, RunRow.idempotency_key == run.idempotency_key)
        if known is None:
            return None
        if known.created_at < run.created_at - timedelta(seconds=self._ports.settings.idempotency_ttl_s):
            async with self._ports.database.transaction() as session:
                await session.execute(update(RunRow).where(RunRow.id == known.id).values(idempotency_key=None))
            return None
        if known.idempotency_hash != run.idempotency_hash:
            raise IdempotencyKeyReused("This Idempotency-Key was used with another request.", hint="Use a new key for a new request.")
        return known

    async def find_child(self, request: ChildRequest) -> RunRecord | None:
        """Return the child run that a node execution has started before, or None."""
        return await self._one(
            RunRow.tenant_id == request.subject.tenant_id,
            RunRow.parent_run_id == request.parent_run_id,
            RunRow.parent_key == request.parent_key,
        )

    async def _one(self, *where: ColumnElement[bool]) -> RunRecord | None:
        async with self._ports.database.reading() as session:
            row = (await session.execute(select(*RUN_COLUMNS).where(*where))).one_or_none()
        return None if row is None else to_run(row)

    async def take_over_cancelled(self, run: RunRecord, dispatcher: Dispatcher) -> None:
        """End a run that nobody drives and that was asked to stop; one that another process drives is left to that process."""
        if await self._leases.claim_free(run):
            dispatcher.dispatch(run, fresh=False)
            dispatcher.cancel(run.id)
