"""The campaigns of ``make chaos`` at a small size: PostgreSQL that crashes, brokers that forget, everything killed with a full queue.

``AGENTFLOW_CHAOS_SEED`` repeats the moments of what happens at random.
"""

import os
import random
from contextlib import nullcontext
from pathlib import Path

import pytest

from scripts.launching import executed
from tests.acceptance.campaigns import queued, restarts, wiped
from tests.acceptance.cluster import BROKERS, Cluster
from tests.acceptance.sink import Sink
from tests.databases import new_postgres
from tests.support.postgres_server import PostgresProcess

SEED = int(os.environ.get("AGENTFLOW_CHAOS_SEED", random.randrange(10**6)))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("workers", [0, 1], ids=["alone", "with a worker"])
async def test_postgresql_crashes_under_load_and_nothing_is_wrong(
    own_postgres: PostgresProcess, tmp_path: Path, sink: Sink, workers: int
) -> None:
    """F6: every accepted run ends with the right result, no effect gets a second key, and nobody who lives is taken for dead."""
    print(f"AGENTFLOW_CHAOS_SEED={SEED}")  # noqa: T201 - repeats a failure
    made = Cluster(tmp_path, own_postgres.url, BROKERS["rabbitmq"] if workers else "", restarts.SETTINGS)
    try:
        made.start(workers)
        size = restarts.Restarts(runs=300, least=2, most=2, seed=SEED, between_s=(0.5, 2.0), down_s=0.5, at_a_time=16)
        print(await restarts.restart(made, own_postgres, sink, size))  # noqa: T201 - what the trial covered
    finally:
        made.close()


@pytest.mark.parametrize("broker", BROKERS)
async def test_a_broker_that_is_wiped_with_runs_queued_costs_none_of_them(tmp_path: Path, sink: Sink, broker: str) -> None:
    """F10, F11: its queue is deleted before any worker was there, and again while one consumes: all runs end."""
    with new_postgres() as url:
        made = Cluster(tmp_path, url, BROKERS[broker], wiped.SETTINGS)
        try:
            made.start(0)
            print(await wiped.wipe(made, BROKERS[broker], sink, wiped.Wiped(runs=250)))  # noqa: T201 - what the trial covered
        finally:
            made.close()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_everything_is_killed_with_a_full_queue(tmp_path: Path, sink: Sink, database: str) -> None:
    """F26: the server is ready within ten seconds, stays under 512 MB, and ends every run, those of one key in their order."""
    with nullcontext("") if database == "sqlite" else new_postgres() as url:
        made = Cluster(tmp_path, url, "", queued.HELD, executed)
        try:
            made.start(0)
            print(await queued.queue(made, sink, queued.Queued(runs=1_000, keys=100)))  # noqa: T201 - what the trial covered
        finally:
            made.close()
