"""Which runs may be deleted. Never one that has not ended, nor one that a run which has not ended still asks for."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from agentflow.infra.db.engine import Database
from agentflow.kit.ids import first_id
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.retention.policy import Policy
from agentflow.runtime.states import TERMINAL, RunStatus
from agentflow.workflows.definitions.models import WorkflowRow

_TERMINAL = sorted(status.value for status in TERMINAL)
_FAILED = (RunStatus.FAILED.value, RunStatus.TIMED_OUT.value)


class Doomed(NamedTuple):
    """A run that may be deleted."""

    tenant_id: str
    id: str


def is_free() -> ColumnElement[bool]:
    """Match runs that have ended and that nothing needs any more.

    A child that ended is what its parent, taken up again, finds instead of starting it twice; a parent is what its children belong to.
    """
    parent, child = aliased(RunRow), aliased(RunRow)
    return and_(
        RunRow.status.in_(_TERMINAL),
        ~exists().where(child.parent_run_id == RunRow.id, child.status.not_in(_TERMINAL)),
        ~exists().where(parent.id == RunRow.parent_run_id, parent.status.not_in(_TERMINAL)),
    )


class Selection:
    """Finds runs whose time is over, some at a time.

    Args:
        database: where they are.
        default: what is kept where a workflow says nothing.
        idempotency_ttl_s: for so long an ``Idempotency-Key`` must find its run.
        batch: runs found at a time.
    """

    def __init__(self, database: Database, default: Policy, idempotency_ttl_s: float, batch: int) -> None:
        self._database = database
        self._default = default
        self._promised = timedelta(seconds=idempotency_ttl_s)
        self._batch = batch

    async def doomed(self, now: datetime, tenant_id: str | None = None) -> AsyncIterator[list[Doomed]]:
        """Yield the runs that may be deleted, of one tenant or of all; each once."""
        mine = [] if tenant_id is None else [RunRow.tenant_id == tenant_id]
        base = [is_free(), or_(RunRow.idempotency_key.is_(None), RunRow.created_at < now - self._promised), *mine]
        override = exists().where(WorkflowRow.id == RunRow.workflow_id, WorkflowRow.retention.is_not(None))
        for where, policy, grouped in [([~override], self._default, True), *await self._overrides(tenant_id)]:
            kept = [RunRow.status.not_in(_FAILED)] if policy.keep_failed else []
            async for page in self._too_old([*base, *where, *kept], policy, now):
                yield page
            async for page in self._too_many([*base, *where, *kept], [*mine, *where, *kept], policy, grouped=grouped):
                yield page

    async def _overrides(self, tenant_id: str | None) -> list[tuple[list[ColumnElement[bool]], Policy, bool]]:
        query = select(WorkflowRow.tenant_id, WorkflowRow.id, WorkflowRow.retention).where(WorkflowRow.retention.is_not(None))
        if tenant_id is not None:
            query = query.where(WorkflowRow.tenant_id == tenant_id)
        async with self._database.reading() as session:
            rows = (await session.execute(query)).all()
        return [
            ([RunRow.tenant_id == tenant, RunRow.workflow_id == workflow], self._default.overridden(stored), False)
            for tenant, workflow, stored in rows
        ]

    async def _too_old(self, where: Sequence[ColumnElement[bool]], policy: Policy, now: datetime) -> AsyncIterator[list[Doomed]]:
        if not policy.max_age_days:
            return
        cutoff = now - timedelta(days=policy.max_age_days)
        # A run begins before it ends, and ids are ordered by the beginning: newer ones need not be looked at.
        async for page in self._pages([*where, RunRow.id < first_id(cutoff), RunRow.ended_at < cutoff]):
            yield page

    async def _too_many(
        self, where: Sequence[ColumnElement[bool]], counted: Sequence[ColumnElement[bool]], policy: Policy, *, grouped: bool
    ) -> AsyncIterator[list[Doomed]]:
        if not policy.max_runs:
            return
        for group in await self._groups(counted, policy.max_runs) if grouped else [[]]:
            newest = select(RunRow.id).where(*counted, *group, RunRow.status.in_(_TERMINAL)).order_by(RunRow.id.desc())
            async with self._database.reading() as session:
                last = await session.scalar(newest.offset(policy.max_runs).limit(1))
            if last is not None:
                async for page in self._pages([*where, *group, RunRow.id <= last]):
                    yield page

    async def _groups(self, counted: Sequence[ColumnElement[bool]], limit: int) -> list[list[ColumnElement[bool]]]:
        """Return the workflows with more runs than ``limit``; runs of unsaved specifications count as one workflow a tenant."""
        by = (RunRow.tenant_id, RunRow.workflow_id)
        query = select(*by).where(*counted).group_by(*by).having(func.count() > limit)
        async with self._database.reading() as session:
            rows = (await session.execute(query)).all()
        return [
            [RunRow.tenant_id == tenant, RunRow.workflow_id.is_(None) if workflow is None else RunRow.workflow_id == workflow]
            for tenant, workflow in rows
        ]

    async def _pages(self, where: Sequence[ColumnElement[bool]]) -> AsyncIterator[list[Doomed]]:
        after: list[ColumnElement[bool]] = []
        while True:
            query = select(RunRow.tenant_id, RunRow.id).where(*where, *after).order_by(RunRow.id).limit(self._batch)
            async with self._database.reading() as session:
                found = [Doomed(*row) for row in (await session.execute(query)).all()]
            if found:
                yield found
            if len(found) < self._batch:
                return
            after = [RunRow.id > found[-1].id]
