"""Looking at runs that do not move, and at any one run, to say why; read-only. What is found is worded in ``reasons``."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select, text

from agentflow.compiler.formats import FORMATS
from agentflow.config.settings import Settings
from agentflow.identity.models import TenantRow
from agentflow.identity.subject import Subject
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.runtime.journal.pages import Entry, entries
from agentflow.runtime.queue import reasons
from agentflow.runtime.queue.presence import AdvisoryPresence, FilePresence, Presence
from agentflow.runtime.queue.reasons import HEALTHY, Code, Reason
from agentflow.runtime.queue.workers import living_workers
from agentflow.runtime.records.models import InterruptRow, NodeRunRow, RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import RUN_COLUMNS, get_run, to_run
from agentflow.runtime.records.statements import EVENTS
from agentflow.runtime.states import EventType, NodeStatus, RunStatus

_LIVE = text("status IN ('queued', 'running')")
_PARKED = text("status IN ('waiting', 'needs_attention')")
_BUSY = text("status IN ('queued', 'running') AND lease_until IS NOT NULL")
_HOLDS = {EventType.NODE_RETRYING: Code.RETRY, EventType.NODE_RATE_LIMITED: Code.RATE_LIMITED}


@dataclass(frozen=True, slots=True)
class StuckRun:
    """A run that something is wrong with.

    Attributes:
        run: the run.
        reasons: what holds it; at least one is not healthy.
    """

    run: RunRecord
    reasons: list[Reason]


class Detective:
    """Finds out why runs are where they are.

    Args:
        database: where they are.
        clock: tells how late a lease is.
        settings: the limits in force, and the folder where workers on SQLite hold their locks.
    """

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        self._database, self._clock, self._settings = database, clock, settings
        self._folder: Path = settings.data_dir / "workers"
        self._presence: Presence = FilePresence(self._folder) if database.is_sqlite else AdvisoryPresence(database, clock)

    async def stuck(self, limit: int = 20) -> list[StuckRun]:
        """Return the oldest runs that something is wrong with, over all tenants: the operator asks."""
        found = []
        for part in (_LIVE, _PARKED):
            async with self._database.reading() as session:
                rows = (await session.execute(select(*RUN_COLUMNS).where(part).order_by(RunRow.id).limit(limit))).all()
            for run in map(to_run, rows):
                why = await self.explain(run)
                if not all(reason.code in HEALTHY for reason in why):
                    found.append(StuckRun(run, why))
        return found

    async def look(self, subject: Subject, run_id: str) -> tuple[RunRecord, list[Reason]]:
        """Return a run of the subject's tenant with why it is where it is.

        Raises:
            RunNotFound: the tenant has no such run.
        """
        run = await get_run(self._database, subject, run_id)
        return run, await self.explain(run)

    async def explain(self, run: RunRecord) -> list[Reason]:
        """Return why a run is where it is; the first reason is the nearest."""
        if run.status.is_terminal:
            return [await self._ended(run)]
        if run.engine_format not in FORMATS:
            return [reasons.other_version(run.engine_format, FORMATS)]
        if run.status in {RunStatus.WAITING, RunStatus.NEEDS_ATTENTION}:
            return await self._parked(run)
        if run.lease_owner is not None and run.lease_until is not None:
            return await self._owned(run, run.lease_owner)
        if run.status is RunStatus.RUNNING:
            hint = "The next worker that looks for lost runs takes it up; if it stays so, end it with `agentflow runs cancel`."
            return [Reason(Code.NO_LEASE, "The run counts as running and nobody has a lease on it.", hint, since=run.started_at)]
        return [await self._queued(run)]

    async def _ended(self, run: RunRecord) -> Reason:
        error = run.error or {}
        if run.status in {RunStatus.SUCCEEDED, RunStatus.CANCELLED}:
            return Reason(Code.ENDED, f"The run ended: {run.status.value}.", since=run.ended_at)
        async with self._database.reading() as session:
            buried = await session.scalar(select(RunRow.dead_letter_at).where(RunRow.id == run.id))
        code = Code.FAILED if buried is None else Code.DEAD_LETTER
        return Reason(code, str(error.get("message") or run.status.value), error.get("hint"), error.get("node_id"), run.ended_at)

    async def _owned(self, run: RunRecord, owner: str) -> list[Reason]:
        assert run.lease_until is not None  # noqa: S101 - the caller looked
        workers = len(await living_workers(self._database, self._folder))
        if await self._presence.is_dead(owner):
            return [reasons.owner_dead(owner, workers)]
        now = self._clock.now()
        if run.lease_until < now:
            return [reasons.lease_late(owner, run.lease_until, now, workers)]
        found = [*await self._held_nodes(run), *await self._open(run)]
        if run.paused_at is not None:
            found.insert(0, reasons.paused(run.paused_at, run.paused_by))
        if run.cancel_requested:
            found.insert(0, Reason(Code.CANCELLING, "Somebody asked for its end; its owner learns of it when it next prolongs its lease."))
        return [*found, reasons.driven(owner, run.lease_until)]

    async def _queued(self, run: RunRecord) -> Reason:
        workers = len(await living_workers(self._database, self._folder))
        if not workers:
            return reasons.no_worker(run.created_at)
        mine, same = RunRow.tenant_id == run.tenant_id, RunRow.concurrency_key == run.concurrency_key
        async with self._database.reading() as session:
            count = select(func.count()).select_from(RunRow).where(_BUSY, mine)
            busy, alike = await session.scalar(count) or 0, await session.scalar(count.where(same)) or 0
            waiting = select(func.count()).select_from(RunRow).where(text("status = 'queued' AND lease_owner IS NULL"), mine)
            ahead = waiting.where((RunRow.priority > run.priority) | ((RunRow.priority == run.priority) & (RunRow.id < run.id)))
            before = await session.scalar(ahead) or 0
            quota = await session.scalar(select(TenantRow.max_running_runs).where(TenantRow.id == run.tenant_id))
        per_tenant = self._settings.max_concurrent_runs_per_tenant
        if run.max_concurrency is not None and alike >= run.max_concurrency:
            way_out = "Wait for one to end, or raise limits.max_concurrency of the workflow."
            return reasons.concurrency(run.created_at, alike, f"the workflow {run.workflow_name}", way_out)
        if per_tenant is not None and busy >= per_tenant:
            way_out = "Wait for one to end, or raise AGENTFLOW_MAX_CONCURRENT_RUNS_PER_TENANT."
            return reasons.concurrency(run.created_at, busy, "the tenant", way_out)
        if quota is not None and busy >= quota:
            way_out = "Wait for one to end, or ask whoever runs this server for more (max_running_runs)."
            return reasons.concurrency(run.created_at, busy, "the tenant", way_out)
        return reasons.in_queue(run.created_at, before, workers)

    async def _parked(self, run: RunRecord) -> list[Reason]:
        if run.signals > run.signals_seen:
            return [
                Reason(Code.ANSWERED, "What the run waited for has come; the next worker that looks takes it up.", since=run.waiting_since)
            ]
        found = await self._open(run)
        if run.paused_at is not None:
            return [reasons.paused(run.paused_at, run.paused_by), *found]
        if not found and run.wake_at is None:
            found = await self._children(run)
        if run.wake_at is not None and not any(reason.until is not None for reason in found):
            found.append(Reason(Code.UNTIL, "The run waits for a time.", since=run.waiting_since, until=run.wake_at))
        return found or [
            Reason(Code.NO_LEASE, "The run waits, and nothing is there that it could wait for.", "End it with `agentflow runs cancel`.")
        ]

    async def _open(self, run: RunRecord) -> list[Reason]:
        query = select(InterruptRow).where(InterruptRow.run_id == run.id, InterruptRow.status == "open").order_by(InterruptRow.id)
        async with self._database.reading() as session:
            return [reasons.asked(row) for row in (await session.scalars(query)).all()]

    async def _children(self, run: RunRecord) -> list[Reason]:
        ended = [status.value for status in RunStatus if status.is_terminal]
        query = select(RunRow.id, RunRow.workflow_name, RunRow.status, RunRow.created_at, RunRow.parent_key)
        query = query.where(RunRow.parent_run_id == run.id, RunRow.status.not_in(ended)).order_by(RunRow.id)
        async with self._database.reading() as session:
            rows = (await session.execute(query)).all()
        hint = "`agentflow runs explain` on the child says what holds it."
        return [
            Reason(
                Code.CHILD,
                f"It waits for its child run {id_} of {name}, which is {status}.",
                hint,
                (key or "").rpartition(":")[0] or None,
                since,
            )
            for id_, name, status, since, key in rows
        ]

    async def _held_nodes(self, run: RunRecord) -> list[Reason]:
        """Return what single nodes of a driven run wait for: the last event about each says it."""
        running = [NodeStatus.RUNNING.value, NodeStatus.RATE_LIMITED.value]
        async with self._database.reading() as session:
            keys = set(
                (await session.scalars(select(NodeRunRow.key).where(NodeRunRow.run_id == run.id, NodeRunRow.status.in_(running)))).all()
            )
            query = (
                select(EVENTS.c.first_seq, EVENTS.c.events).where(EVENTS.c.run_id == run.id).order_by(EVENTS.c.first_seq.desc()).limit(20)
            )
            rows = (await session.execute(query)).all()
        last: dict[str, Entry] = {}
        for row in reversed(rows):
            last.update((entry.node_id, entry) for entry in entries(row.first_seq, row.events) if entry.node_id in keys and entry.node_id)
        return [_held(entry) for entry in last.values() if entry.type in _HOLDS]


def _held(entry: Entry) -> Reason:
    data, wait_s = entry.data, float(entry.data.get("wait_s") or 0)
    if entry.type is EventType.NODE_RATE_LIMITED:
        message = f"Node {entry.node_id} waits in the queue {data.get('queue')} of the workflow, about {wait_s:g} s."
        hint = "Wait, or raise the limits of the queue in the specification."
    else:
        message = (
            f"Attempt {data.get('attempt')} of node {entry.node_id} failed ({data['error']['code']}); the next comes after {wait_s:g} s."
        )
        hint = f"What failed says: {data['error']['message']}"
    return Reason(_HOLDS[entry.type], message, hint, entry.node_id, entry.at)
