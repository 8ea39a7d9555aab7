"""Retention: deletes in small steps, one process at a time, whatever is no longer to be kept."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from agentflow.config.settings import Settings
from agentflow.errors import AgentFlowError, Conflict
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.exclusive import exclusive
from agentflow.infra.objects.objects import Objects
from agentflow.kit.clock import Clock
from agentflow.kit.tasks import ended
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.repository import get_run
from agentflow.runtime.retention import leftovers
from agentflow.runtime.retention.deletion import delete_runs
from agentflow.runtime.retention.policy import Policy
from agentflow.runtime.retention.selection import Doomed, Selection, is_free

log = structlog.get_logger(__name__)

DELETED = Counter("agentflow_retention_deleted_total", "What retention deleted, by kind.", ["kind"])
LAST = Gauge("agentflow_retention_last_success_timestamp_seconds", "When retention last went through in this process.")

ORPHANS_EVERY_S = 86_400.0
"""Seconds between two looks through all blobs for those that nothing refers to."""


class RunNotEnded(Conflict):
    """The run has not ended, or one that has not ended still needs it."""

    code, title = "RUN_NOT_ENDED", "Run has not ended"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted, or would be.

    Attributes:
        runs: ended runs.
        checkpoints: rows of the engine's checkpoints.
        cached: cached outputs of nodes.
        keys: remembered answers to requests with an ``Idempotency-Key``.
        specs: specifications.
        artifacts: expired artifacts.
        blobs: blobs that nothing referred to.
    """

    runs: int = 0
    checkpoints: int = 0
    cached: int = 0
    keys: int = 0
    specs: int = 0
    artifacts: int = 0
    blobs: int = 0


class Retention:
    """Deletes what the settings and the workflows say."""

    def __init__(self, database: Database, objects: Objects, clock: Clock, settings: Settings, trail: Trail | None = None) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock
        self._settings = settings
        self._trail = trail
        self._selection = Selection(database, Policy.default(settings), settings.idempotency_ttl_s, settings.retention_batch)
        self._orphans_at = -ORPHANS_EVERY_S
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for what may be deleted, first after one interval."""
        self._task = asyncio.create_task(self._periodically(), name="retention")

    async def stop(self) -> None:
        """Stop; what is under way is cut at a transaction."""
        await ended(self._task)

    async def _periodically(self) -> None:
        while True:
            await asyncio.sleep(self._settings.retention_interval_s)
            try:
                async with exclusive(self._database, "retention", self._settings.data_dir / "workers") as held:
                    if held:
                        await self.run_once()
            except (DBAPIError, OSError, TimeoutError, AgentFlowError) as error:
                log.warning("retention broke off, will go on later", error=str(error))

    async def run_once(self) -> Pruned:
        """Delete everything whose time is over; safe to repeat, and to do at the same time elsewhere."""
        database, settings, now = self._database, self._settings, self._clock.now()
        pruned = Pruned(
            runs=await self._prune_runs(None),
            checkpoints=await leftovers.delete_checkpoints(database, now - timedelta(seconds=settings.retention_checkpoint_s)),
            cached=await leftovers.delete_cached(database, now),
            keys=await leftovers.delete_keys(database, now),
            specs=await leftovers.delete_specs(database, now, settings.retention_max_age_days),
            artifacts=await leftovers.delete_expired_artifacts(database, self._objects, now),
            blobs=await self._orphans(),
        )
        for kind in Pruned.__slots__:
            DELETED.labels(kind).inc(getattr(pruned, kind))
        LAST.set(now.timestamp())
        if pruned != Pruned():
            log.info("retention", **{kind: getattr(pruned, kind) for kind in Pruned.__slots__})
        return pruned

    async def _orphans(self) -> int:
        now = self._clock.monotonic()
        if now - self._orphans_at < ORPHANS_EVERY_S:
            return 0
        count = await leftovers.delete_orphans(self._database, self._objects, self._clock.now())
        self._orphans_at = now
        return count

    async def _prune_runs(self, tenant_id: str | None) -> int:
        count = 0
        async for page in self._selection.doomed(self._clock.now(), tenant_id):
            count += await delete_runs(self._database, self._objects, page)
        return count

    async def prune(self, subject: Subject, *, dry_run: bool) -> int:
        """Delete the runs of the subject's tenant whose time is over, and return how many; with ``dry_run`` only count them."""
        if not dry_run:
            count = await self._prune_runs(subject.tenant_id)
            if self._trail is not None:
                async with self._database.transaction() as session:
                    await self._trail.add(session, subject, Deed("run.pruned", None, {"runs": count}))
            return count
        found: set[str] = set()
        async for page in self._selection.doomed(self._clock.now(), subject.tenant_id):
            found.update(run.id for run in page)
        return len(found)

    async def delete(self, subject: Subject, run_id: str) -> None:
        """Delete one run that has ended, with its history and its large values.

        Raises:
            RunNotFound: the tenant has no such run.
            RunNotEnded: it has not ended, or its parent or a child has not.
        """
        run = await get_run(self._database, subject, run_id)
        async with self._database.reading() as session:
            free = await session.scalar(select(RunRow.id).where(RunRow.id == run.id, is_free()))
        if free is None:
            raise RunNotEnded(
                f"Run {run.id} has not ended ({run.status.value}), or a run that it belongs to has not.",
                hint="Cancel it first, or wait for its end.",
            )
        said = None if self._trail is None else await self._trail.row(subject, Deed("run.deleted", run.id, {"workflow": run.workflow_name}))
        await delete_runs(self._database, self._objects, [Doomed(run.tenant_id, run.id)], said)
