"""PostgreSQL crashes again and again while runs are started and driven: every accepted run ends, with the right result."""

import asyncio
import random
import time
from dataclasses import dataclass

from tests.acceptance.campaigns.audit import audit
from tests.acceptance.campaigns.starting import all_end, right, start_many
from tests.acceptance.client import Client
from tests.acceptance.cluster import Cluster, client_of
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import doubled
from tests.support.postgres_server import PostgresProcess


@dataclass(frozen=True)
class Restarts:
    """How much happens.

    Attributes:
        runs: how many are started.
        least: crashes that there are at least, also when all runs have ended before.
        most: crashes that there are at most; None for no bound.
        seed: decides the moments of the crashes.
        between_s: shortest and longest time from a start of the database to its next crash.
        down_s: longest time that it is down.
        at_a_time: how many starts are under way.
    """

    runs: int
    least: int
    seed: int
    between_s: tuple[float, float] = (5.0, 40.0)
    down_s: float = 2.0
    most: int | None = None
    at_a_time: int = 50


SETTINGS = {"max_attempts": "1000", "http_allowed_hosts": "127.0.0.1", "shutdown_grace_s": "2"}


async def restart(made: Cluster, postgres: PostgresProcess, sink: Sink, size: Restarts) -> str:
    """Start runs while the database crashes; returns what came of it."""
    chance, begin = random.Random(size.seed), time.monotonic()
    async with client_of(made) as client:
        workflow = await client.store(doubled(sink))
        work = asyncio.create_task(_work(client, workflow, size))
        crashes = 0
        while crashes < size.least or not (work.done() or crashes == size.most):
            await asyncio.wait([work], timeout=chance.uniform(*size.between_s))
            if work.done() and crashes >= size.least:
                break
            await asyncio.to_thread(postgres.crash)
            await asyncio.sleep(chance.uniform(0.0, size.down_s))
            await asyncio.to_thread(postgres.start)
            crashes += 1
        await work
        await all_end(client, 120)
    found = await audit(made.database, client.promised, sink.hits)
    assert len(found) == size.runs
    right(found, client.promised)
    most = max(sum(event.type == "run.resumed" for event in course.events) for course in found.values())
    assert most <= 2 * crashes, f"a run was taken up {most} times in {crashes} crashes: living workers were taken for dead"
    return f"{crashes} crashes of PostgreSQL under {len(found)} runs with {len(sink.hits)} effects in {time.monotonic() - begin:.0f} s: 0 wrong"


async def _work(client: Client, workflow: str, size: Restarts) -> None:
    await start_many(client, workflow, size.runs, at_a_time=size.at_a_time)
    await all_end(client, 60 + size.runs / 10)
