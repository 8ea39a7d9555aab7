"""What is deleted, when, and what never is; and that a store under endless load stops growing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from agentflow.infra.db.engine import Database
from agentflow.infra.db.exclusive import exclusive
from agentflow.infra.objects.objects import open_objects
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.repository import RunNotFound
from agentflow.runtime.retention.service import Pruned, Retention, RunNotEnded
from agentflow.workflows.definitions.models import WorkflowRow
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, transform

BIG = "long text " * 500
DAY = timedelta(days=1)


class Later(SystemClock):
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead.total_seconds()


class Keeper:
    """Retention on the database of a world."""

    def __init__(self, world: World, database: Database, retention: Retention, clock: Later) -> None:
        self.world, self.database, self.retention, self.clock = world, database, retention, clock

    async def count(self, table: str) -> int:
        async with self.database.reading() as session:
            return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    async def change(self, statement: Any) -> None:
        async with self.database.transaction() as session:
            await session.execute(statement)

    def blobs(self) -> list[Path]:
        return [path for path in (self.world.settings.data_dir / "objects").rglob("*") if path.is_file()]


@asynccontextmanager
async def keeper(world: World, **settings: Any) -> AsyncIterator[Keeper]:
    """Give retention with a clock of its own."""
    changed = world.settings.model_copy(update=settings)
    database, objects, clock = Database(changed.database), open_objects(changed), Later()
    yield Keeper(world, database, Retention(database, objects, clock, changed), clock)
    await objects.close()
    await database.close()


async def _runs(world: World, count: int, spec: Any = None, **settings: Any) -> list[str]:
    async with world.runtime(**settings) as runs:
        return [(await run_to_end(runs, spec or spec_of([probe("a", value=number)]))).id for number in range(count)]


async def test_old_runs_are_deleted_with_all_that_belongs_to_them(world: World):
    """S113: rows of nodes, events, checkpoints and large values, and their blobs: nothing of a run outlives it."""
    branching = spec_of([probe("a", value=BIG), probe("l"), probe("r")], [{"from": "a", "to": ["l", "r"]}])
    await _runs(world, 2, branching, spill_bytes=1_000)
    async with keeper(world) as kept:
        assert await kept.count("checkpoints") > 0
        assert kept.blobs()
        kept.clock.ahead = 29 * DAY
        assert (await kept.retention.run_once()).runs == 0
        kept.clock.ahead = 31 * DAY
        assert (await kept.retention.run_once()).runs == 2
        for table in ("runs", "node_runs", "run_events", "checkpoints", "checkpoint_writes", "artifacts"):
            assert await kept.count(table) == 0, table
        assert kept.blobs() == []


async def test_a_run_is_as_old_as_its_end(world: World):
    """A run that took long, for a person took months to answer, is not deleted the moment it ends."""
    (run_id,) = await _runs(world, 1)
    async with keeper(world) as kept:
        kept.clock.ahead = 60 * DAY
        await kept.change(update(RunRow).where(RunRow.id == run_id).values(ended_at=kept.clock.now() - DAY))
        assert (await kept.retention.run_once()).runs == 0


@pytest.mark.parametrize("status", ["queued", "running", "waiting", "needs_attention"])
async def test_what_has_not_ended_is_never_deleted(world: World, status: str):
    """However old: it is still somebody's work."""
    (run_id,) = await _runs(world, 1)
    async with keeper(world, retention_max_runs=1, retention_max_age_days=1) as kept:
        await kept.change(update(RunRow).where(RunRow.id == run_id).values(status=status))
        kept.clock.ahead = 400 * DAY
        assert (await kept.retention.run_once()).runs == 0
        with pytest.raises(RunNotEnded):
            await kept.retention.delete(SUBJECT, run_id)
        assert await kept.count("runs") == 1


@pytest.mark.parametrize("which", ["parent", "child"])
async def test_families_of_runs_stay_while_one_of_them_is_not_through(world: World, which: str):
    """A parent that is taken up again must find the child that ended, and a child its parent."""
    world.workflows.specs["child"] = spec_of([probe("a")])
    parent = spec_of([{"id": "call", "type": "subworkflow", "config": {"workflow": "child"}}])
    (parent_id,) = await _runs(world, 1, parent)
    async with keeper(world) as kept:
        alive = RunRow.id == parent_id if which == "parent" else RunRow.parent_run_id == parent_id
        await kept.change(update(RunRow).where(alive).values(status="waiting"))
        kept.clock.ahead = 400 * DAY
        assert (await kept.retention.run_once()).runs == 0
        await kept.change(update(RunRow).where(alive).values(status="cancelled"))
        assert (await kept.retention.run_once()).runs == 2


async def test_only_the_newest_runs_are_kept_when_so_told(world: World):
    """The number counts ended runs of one workflow."""
    ids = await _runs(world, 5)
    async with keeper(world, retention_max_runs=2, retention_batch=1) as kept:
        assert (await kept.retention.run_once()).runs == 3
        for run_id in ids[:3]:
            with pytest.raises(RunNotFound):
                await kept.retention.delete(SUBJECT, run_id)
        assert await kept.count("runs") == 2


async def test_a_run_is_kept_as_long_as_its_idempotency_key_is_promised(world: World):
    """A repeated request must find its run, whatever the number of newer ones."""
    ids = await _runs(world, 2)
    async with keeper(world, retention_max_runs=1) as kept:
        await kept.change(update(RunRow).where(RunRow.id == ids[0]).values(idempotency_key="inline:k", idempotency_hash="h"))
        assert (await kept.retention.run_once()).runs == 0
        kept.clock.ahead = 3 * DAY
        assert (await kept.retention.run_once()).runs == 1


async def test_a_workflow_may_keep_its_runs_longer_shorter_or_its_failures_for_ever(world: World):
    """What a workflow says wins over the settings, for its own runs only."""
    ids = await _runs(world, 4)
    async with keeper(world) as kept:
        for run_id, retention in zip(ids, ({"max_age_days": 1}, {"max_age_days": 0}, {"keep_failed": True}, None), strict=True):
            workflow_id, now = new_id(), kept.clock.now()
            row = {
                "id": workflow_id,
                "tenant_id": SUBJECT.tenant_id,
                "owner_id": SUBJECT.user_id,
                "name": "w",
                "status": "active",
                "tags": [],
                "version": 1,
                "valid": True,
                "retention": retention,
                "created_at": now,
                "updated_at": now,
            }
            await kept.change(insert(WorkflowRow).values(**row))
            await kept.change(update(RunRow).where(RunRow.id == run_id).values(workflow_id=workflow_id))
        await kept.change(update(RunRow).where(RunRow.id == ids[2]).values(status="failed"))
        kept.clock.ahead = 2 * DAY
        assert (await kept.retention.run_once()).runs == 1  # the first
        kept.clock.ahead = 400 * DAY
        assert (await kept.retention.run_once()).runs == 1  # the last
        assert await kept.count("runs") == 2


async def test_a_dry_run_counts_and_deletes_nothing(world: World):
    """A person sees what would happen first; another tenant's runs are not theirs to count."""
    await _runs(world, 3)
    async with keeper(world) as kept:
        kept.clock.ahead = 31 * DAY
        stranger = type(SUBJECT)(new_id(), new_id(), SUBJECT.permissions)
        assert await kept.retention.prune(stranger, dry_run=False) == 0
        assert await kept.retention.prune(SUBJECT, dry_run=True) == 3
        assert await kept.count("runs") == 3
        assert await kept.retention.prune(SUBJECT, dry_run=False) == 3
        assert await kept.count("runs") == 0


async def test_checkpoints_go_soon_after_the_end_and_stay_before_it(world: World):
    """Nobody resumes an ended run; its history is in its nodes and events."""
    branching = spec_of([probe("a"), probe("l"), probe("r", wait_for="gate")], [{"from": "a", "to": ["l", "r"]}])
    async with world.runtime(shutdown_grace_s=0) as runs, keeper(world) as kept:
        world.probe.gate("gate").set()
        await run_to_end(runs, branching)
        world.probe.gate("gate").clear()
        world.probe.arrival("gate").clear()
        await runs.start_inline(SUBJECT, branching, {})
        await world.probe.arrival("gate").wait()
        before = await kept.count("checkpoints")
        kept.clock.ahead = timedelta(hours=2)
        assert 0 < (await kept.retention.run_once()).checkpoints <= before
        assert await kept.count("checkpoints") > 0


async def test_a_specification_goes_with_its_last_run(world: World):
    """One that a run is pinned to stays; one that is used again is stored again."""
    await _runs(world, 1, spec_of([probe("old")]))
    async with keeper(world) as kept:
        kept.clock.ahead = 31 * DAY
        assert (await kept.retention.run_once()).specs == 1
        assert await kept.count("run_specs") == 0
    (run_id,) = await _runs(world, 1, spec_of([probe("old")]))
    async with keeper(world) as kept:
        await kept.change(update(RunRow).where(RunRow.id == run_id).values(status="waiting"))
        kept.clock.ahead = 400 * DAY
        assert (await kept.retention.run_once()).specs == 0


async def test_cached_outputs_go_when_their_time_is_over(world: World):
    """A cache that is only read forgets nothing."""
    cached = spec_of([probe("a", policy={"cache": {"ttl_s": 60}}, value=1)])
    await _runs(world, 1, cached)
    async with keeper(world) as kept:
        assert (await kept.retention.run_once()).cached == 0
        kept.clock.ahead = DAY
        assert (await kept.retention.run_once()).cached == 1


async def test_blobs_that_nothing_refers_to_are_found(world: World):
    """A writer that died between blob and row leaves one; it goes after a day, and others stay."""
    cached = probe("a", value=BIG, policy={"cache": {"ttl_s": 1e6}})
    await _runs(world, 1, spec_of([cached]), spill_bytes=1_000)
    async with keeper(world, retention_max_age_days=0) as kept:
        mine = {path.name for path in kept.blobs()}
        objects = open_objects(kept.world.settings)
        (in_cache,) = [path for path in kept.blobs() if path.parts[-3] == "cache"]
        replaced = "/".join((*in_cache.parts[-4:-1], "earlier"))
        for key in (f"{new_id()}/runs/{new_id()}/abc", f"{new_id()}/files/{new_id()}", replaced, "something/else"):
            await objects.put(key, b"x")
        await objects.close()
        assert (await kept.retention.run_once()).blobs == 0
        kept.clock.ahead = 2 * DAY
        assert (await kept.retention.run_once()).blobs == 3
        assert {path.name for path in kept.blobs()} == mine | {"else"}


async def test_one_process_at_a_time_looks_for_what_to_delete(world: World, tmp_path: Path):
    """The lock is free again when its holder lets go."""
    first, second = Database(world.settings.database), Database(world.settings.database)
    async with exclusive(first, "retention", tmp_path) as held:
        assert held
        async with exclusive(second, "retention", tmp_path) as also:
            assert not also
    async with exclusive(second, "retention", tmp_path) as later:
        assert later
    await first.close()
    await second.close()


async def test_storage_stops_growing_under_endless_load(world: World):
    """With a bound on the number of runs, rows, blobs and the size of a SQLite file come to rest."""
    spec = spec_of([probe("a", value=BIG), transform("b", "{{ nodes.a | length }}"), transform("c", "{{ nodes.b + 1 }}")], ["a>b", "b>c"])
    sizes: list[tuple[int, int, int]] = []
    pages: list[int] = []
    async with world.runtime(spill_bytes=1_000) as runs, keeper(world, retention_max_runs=10) as kept:
        for _ in range(6):
            for _ in range(15):
                await run_to_end(runs, spec)
            await kept.retention.run_once()
            sizes.append((await kept.count("runs"), await kept.count("node_runs"), len(kept.blobs())))
            if kept.database.is_sqlite:
                async with kept.database.reading() as session:
                    pages.append(int(await session.scalar(text("PRAGMA page_count")) or 0))
    assert sizes == [(10, 30, 10)] * 6
    assert all(size <= pages[1] + 4 for size in pages)  # the file reuses what was freed


async def test_nothing_to_do_does_nothing(world: World):
    """An empty store is left alone."""
    async with keeper(world) as kept:
        assert await kept.retention.run_once() == Pruned()
