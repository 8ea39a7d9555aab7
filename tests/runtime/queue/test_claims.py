"""Which runs are taken next: fair between tenants, urgent and old first, never more than the limits allow."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from agentflow.bootstrap.tables import METADATA
from agentflow.infra.db import migrate
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import SystemClock
from agentflow.kit.ids import new_id
from agentflow.runtime.queue.claims import Claims
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.records.records import RunRecord
from agentflow.runtime.records.repository import run_row
from agentflow.runtime.records.statements import Statements
from agentflow.runtime.states import RunStatus
from tests.support.postgres_server import PostgresProcess, own_postgres

__all__ = ["own_postgres"]

CLOCK = SystemClock()
ANNA, BERT, CLEO = (new_id() for _ in range(3))


def claims(database: Database, per_tenant: int | None = None) -> Claims:
    """Return the claims of a new worker."""
    return Claims(database, CLOCK, new_id(), 10, per_tenant, max_tries=3)


def queued(tenant: str, **more: Any) -> RunRecord:
    """Return a run that waits in the queue."""
    now = CLOCK.now()
    return RunRecord(new_id(), tenant, new_id(), None, None, "test", "hash", {}, now, now + timedelta(hours=1), **more)


def driven(tenant: str, **more: Any) -> RunRecord:
    """Return a run that a worker drives."""
    return queued(tenant, status=RunStatus.RUNNING, lease_owner=new_id(), lease_until=CLOCK.now() + timedelta(seconds=10), **more)


async def store(database: Database, *runs: RunRecord) -> list[str]:
    """Store runs and return their ids."""
    statement = Statements(is_sqlite=database.is_sqlite).add_run
    await database.bulk(lambda connection: statement.execute(connection, [run_row(run) for run in runs]))
    return [run.id for run in runs]


async def take(database: Database, amount: int, per_tenant: int | None = None, *, suspects: bool = True) -> set[str]:
    """Claim runs as a new worker and return their ids."""
    return {run.id for run in await claims(database, per_tenant).claim_next(amount, suspects=suspects)}


async def test_the_urgent_then_the_old_come_first(database: Database):
    """Within a tenant priority counts, then age."""
    first, second, urgent = await store(database, queued(ANNA), queued(ANNA), queued(ANNA, priority=5))
    worker = claims(database)
    assert [run.id for run in await worker.claim_next(2, suspects=True)] == [urgent, first]
    assert [run.id for run in await worker.claim_next(2, suspects=True)] == [second]
    assert await worker.claim_next(2, suspects=True) == []


async def test_a_claimed_run_is_the_workers(database: Database):
    """It has the worker's lease, a new fence, and one more attempt."""
    await store(database, queued(ANNA))
    (run,) = await claims(database).claim_next(1, suspects=True)
    assert run.lease_owner is not None
    assert run.lease_until is not None
    assert run.lease_until > CLOCK.now()
    assert (run.fence, run.attempts, run.tries) == (1, 1, 1)


async def test_a_claim_outlives_a_crash_of_the_database(own_postgres: PostgresProcess):
    """Lost, it would be made again with the same fence, and two drives of one run could write."""
    async with opened(own_postgres.url) as database:
        await migrate.prepare(database, METADATA)
    for _ in range(3):
        async with opened(own_postgres.url) as database:
            (run_id,) = await store(database, queued(ANNA))
            assert await take(database, 1) == {run_id}
            own_postgres.crash()
        own_postgres.start()
        async with opened(own_postgres.url) as database, database.reading() as session:
            assert await session.scalar(select(RunRow.fence).where(RunRow.id == run_id)) == 1


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def test_tenants_take_turns(database: Database):
    """Whoever has more in the queue does not get more places."""
    many = await store(database, *[queued(ANNA) for _ in range(50)])
    few = await store(database, queued(BERT), queued(BERT))
    taken = await take(database, 4)
    assert taken == {*many[:2], *few}


async def test_the_tenant_with_fewer_running_runs_comes_first(database: Database):
    """What runs already, on whatever worker, counts as had."""
    await store(database, *[driven(ANNA) for _ in range(3)], driven(BERT))
    anna, bert, cleo = [await store(database, *[queued(tenant) for _ in range(9)]) for tenant in (ANNA, BERT, CLEO)]
    assert await take(database, 5) == {*cleo[:3], *bert[:2]}
    assert await take(database, 3) == {anna[0], bert[2], cleo[3]}


async def test_a_limited_workflow_starts_no_more_runs_than_it_may(database: Database):
    """The limit counts over all workers, and the runs behind it are not held up."""
    limited = {"concurrency_key": "slow", "max_concurrency": 2}
    await store(database, driven(ANNA, **limited))
    slow = await store(database, *[queued(ANNA, **limited) for _ in range(80)])
    others = await store(database, queued(ANNA), queued(ANNA))
    assert await take(database, 64) == {slow[0], *others}
    assert await take(database, 64) == set()


async def test_the_same_limit_in_another_tenant_is_another_limit(database: Database):
    """S40: tenants do not count towards each other's limits."""
    limited = {"concurrency_key": "slow", "max_concurrency": 1}
    await store(database, driven(ANNA, **limited))
    (bert,) = await store(database, queued(BERT, **limited))
    await store(database, queued(ANNA, **limited))
    assert await take(database, 5) == {bert}


async def test_a_tenant_has_no_more_runs_at_a_time_than_the_setting_allows(database: Database):
    """The limit of a tenant counts over all workers."""
    await store(database, driven(ANNA))
    anna = await store(database, *[queued(ANNA) for _ in range(5)])
    bert = await store(database, *[queued(BERT) for _ in range(5)])
    assert await take(database, 20, per_tenant=2) == {anna[0], *bert[:2]}


async def test_one_suspect_is_taken_at_a_time(database: Database):
    """Runs before their last try are taken one by one, and only where no other is driven; the rest flows past them."""
    suspects = await store(database, *[queued(ANNA, tries=2) for _ in range(70)])
    others = await store(database, queued(ANNA), queued(ANNA))
    dead = await store(database, queued(ANNA, tries=3))
    assert await take(database, 9, suspects=False) == {*others, *dead}
    assert await take(database, 9, suspects=True) == {suspects[0]}


async def test_runs_that_wait_or_have_an_owner_are_left_alone(database: Database):
    """Only queued runs without an owner are taken."""
    await store(database, driven(ANNA), queued(ANNA, status=RunStatus.WAITING), queued(ANNA, status=RunStatus.SUCCEEDED))
    assert await take(database, 9) == set()


async def test_workers_that_claim_at_the_same_time_share_no_run(database: Database):
    """However many claim at once, each run has one owner."""
    runs = await store(database, *[queued(tenant) for tenant in (ANNA, BERT) for _ in range(60)])
    taken = await asyncio.gather(*[take(database, 10) for _ in range(12)])
    assert sum(map(len, taken)) == len(set().union(*taken)) == len(runs)


@pytest.mark.slow
async def test_a_claim_is_quick_whatever_waits(database: Database):
    """Ten thousand queued runs of 200 tenants, a thousand running ones: a claim takes milliseconds and reads the index only."""
    tenants = [new_id() for _ in range(200)]
    deep = [queued(tenants[0]) for _ in range(6_000)] + [queued(tenants[n % 200]) for n in range(4_000)]
    await store(database, *deep, *[driven(tenants[n % 200]) for n in range(1_000)])
    async with database.connection() as connection:
        await connection.execute(text("ANALYZE"))
    worker, took = claims(database), []
    for _ in range(20):
        begin = time.perf_counter()
        assert len(await worker.claim_next(32, suspects=True)) == 32
        took.append(time.perf_counter() - begin)
    assert sorted(took)[10] < 0.1, took
    async with database.reading() as session:
        left = await session.scalar(select(func.count()).select_from(RunRow).where(RunRow.lease_owner.is_(None)))
    assert left == 10_000 - 20 * 32
