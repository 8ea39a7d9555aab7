"""Accepting a run: one committed row and the ``run.queued`` event, before anybody is told."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.exc import IntegrityError

from agentflow.identity.quotas import MAX_QUEUED_RUNS, RUNS_PER_DAY, QuotaReached
from agentflow.infra.db.group_commit import Batch
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import IdempotencyKeyReused
from agentflow.runtime.dispatch.base import Dispatcher
from agentflow.runtime.execution.ports import ChildRequest, Ports
from agentflow.runtime.journal.pages import Entry, pages
from agentflow.runtime.queue.leases import Leases
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import NodeRecord, RunRecord
from agentflow.runtime.records.repository import RUN_COLUMNS, node_row, run_row, to_run
from agentflow.runtime.records.statements import SPEC_REFRESH_S
from agentflow.runtime.runs.daily import DailyRuns
from agentflow.runtime.runs.overload import Overload
from agentflow.runtime.states import EventType, RunStatus

NOTED_SPECS = 20_000
"""Specifications of which is remembered that they are stored; a name and a time each."""


class Admission:
    """Writes admission rows through the group committer."""

    def __init__(self, ports: Ports, leases: Leases, dispatcher: Dispatcher, overload: Overload) -> None:
        self.overload = overload
        self._ports = ports
        self._leases = leases
        self._dispatcher = dispatcher
        self._daily = DailyRuns(ports.database)
        self._stored_specs: dict[tuple[str, str], float] = {}

    async def admit(
        self,
        run: RunRecord,
        spec: Any,
        idempotency: Idempotency | None,
        seeds: Sequence[NodeRecord] = (),
        said: Mapping[str, Any] | None = None,
    ) -> tuple[RunRecord, bool]:
        """Make a run durable: owned by this process if it has a place for it, else queued for whoever has; returns it and whether it is new.

        ``seeds`` are executions that the run takes over from another one; ``said`` is the record for the audit log, written with the run.

        Raises:
            IdempotencyKeyReused: the key belongs to a run that was asked for with another body.
            QueueFull: too many runs of the tenant wait.
            QuotaReached: the tenant may start no more for now.
            Overloaded: the server has too much to do.
        """
        if idempotency is not None:
            run.idempotency_key = f"{run.workflow_id or 'inline'}:{idempotency.key}"
            run.idempotency_hash = idempotency.body_hash
            known = await self._find_by_key(run)
            if known is not None:
                return known, False
        near: int | None = None
        if run.parent_run_id is None:  # a child belongs to what was let in already
            self.overload.check(run.tenant_id)
            near = await self._check_quotas(run)
        if self._dispatcher.reserve(run):
            self._leases.grant(run)
        batch = self._batch(run, spec, seeds)
        if said is not None:
            batch.add(self._ports.statements.add_audit, said)
        written = self._ports.committer.submit(batch) if near is None else asyncio.ensure_future(self._daily.write(run, batch, near))
        try:
            await asyncio.shield(written)
        except asyncio.CancelledError:
            written.add_done_callback(lambda _: self._dispatcher.unreserve(run))  # it is stored without its caller
            raise
        except (IntegrityError, QuotaReached):  # the twin of one that came at the same moment may have taken the last place
            self._dispatcher.unreserve(run)
            known = await self._twin(run)
            if known is None:
                raise
            return known, False
        except BaseException:
            self._dispatcher.unreserve(run)
            raise
        self._note_stored(run)
        self.overload.accepted(run.tenant_id, queued=run.lease_owner is None)
        return run, True

    async def _check_quotas(self, run: RunRecord) -> int | None:
        """Let a new run in unless its tenant lets wait, or has started, as many as it may; returns a bound on a day's runs that is near.

        Of those that come at once a few more than allowed may wait; more than a day's do not start.

        Raises:
            QuotaReached: so it is.
        """
        quotas = {} if self._ports.quotas is None else await self._ports.quotas.of(run.tenant_id)
        waiting, a_day = quotas.get(MAX_QUEUED_RUNS), quotas.get(RUNS_PER_DAY)
        if waiting is not None and self.overload.waiting(run.tenant_id) >= waiting:
            raise QuotaReached(
                f"{waiting} runs of your organisation wait already.", hint="Start more later.", retry_after_s=5.0, limit=waiting
            )
        return None if a_day is None or await self._daily.is_far(run, a_day) else a_day

    def _batch(self, run: RunRecord, spec: Any, seeds: Sequence[NodeRecord]) -> Batch:
        statements, batch = self._ports.statements, Batch()
        if self._must_store(run):
            row = {"tenant_id": run.tenant_id, "spec_hash": run.spec_hash, "spec": spec, "last_used_at": run.created_at}
            batch.add(statements.put_spec, row)
        batch.add(statements.add_run, run_row(run))
        for seed in seeds:
            batch.add(statements.put_node, node_row(run, seed))
        queued = Entry(1, EventType.RUN_QUEUED, None, run.created_at, _origin(run))
        for page in pages(run.tenant_id, run.id, [queued]):
            batch.add(statements.add_events, page)
        return batch

    def _must_store(self, run: RunRecord) -> bool:
        """Tell whether the specification must be written: it is new here, or retention may soon take it for unused."""
        return self._stored_specs.get((run.tenant_id, run.spec_hash), -math.inf) < self._ports.clock.monotonic() - SPEC_REFRESH_S

    def _note_stored(self, run: RunRecord) -> None:
        if self._must_store(run):
            if len(self._stored_specs) >= NOTED_SPECS:
                self._stored_specs.pop(next(iter(self._stored_specs)))
            self._stored_specs[(run.tenant_id, run.spec_hash)] = self._ports.clock.monotonic()

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
        """Return the child run that a node execution has started before, or None.

        A child that a dead owner left in the queue is driven here, beside its parent: there it may wait for what the parent holds.
        """
        child = await self._one(
            RunRow.tenant_id == request.subject.tenant_id,
            RunRow.parent_run_id == request.parent_run_id,
            RunRow.parent_key == request.parent_key,
        )
        left = child is not None and child.status is RunStatus.QUEUED and child.lease_owner is None
        if child is not None and left and await self._leases.claim_free(child):
            self._dispatcher.dispatch(child, fresh=False)
        return child

    async def _one(self, *where: ColumnElement[bool]) -> RunRecord | None:
        async with self._ports.database.reading() as session:
            row = (await session.execute(select(*RUN_COLUMNS).where(*where))).one_or_none()
        return None if row is None else to_run(row)

    async def take_over_cancelled(self, run: RunRecord) -> None:
        """End a run that nobody drives and that was asked to stop; one that another process drives is left to that process."""
        if await self._leases.claim_free(run):
            self._dispatcher.dispatch(run, fresh=False)
            self._dispatcher.cancel(run.id)
        else:
            self._dispatcher.cancel_elsewhere(run.id)


def _origin(run: RunRecord) -> dict[str, Any]:
    if run.origin_run_id is None:
        return {}
    return {"origin": {"run_id": run.origin_run_id, "kind": run.origin_kind, "checkpoint": run.origin_checkpoint}}
