"""kill -9 at random moments, with runs in flight all the time: nothing that was accepted is lost, nothing that finished runs again."""

import asyncio
import random
import time
from dataclasses import dataclass

from tests.acceptance.campaigns.audit import Death, audit, percentile95, quantiles, recoveries
from tests.acceptance.client import Client
from tests.acceptance.cluster import Cluster, client_of
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import branches, chain


@dataclass(frozen=True)
class Kills:
    """How much is killed.

    Attributes:
        kills: how often a process dies.
        in_flight: how many runs are under way.
        seed: decides which process dies, and when.
        uptime_s: longest time between two deaths: enough to load the engine and for runs to get on.
        recovery_s: how soon 95 of 100 runs must have a new owner.
    """

    kills: int
    in_flight: int
    seed: int
    uptime_s: float = 5.0
    recovery_s: float = 5.0


# No run may be given up for being there at many deaths: it is not what kills the processes.
SETTINGS = {"max_attempts": "1000", "http_allowed_hosts": "127.0.0.1", "shutdown_grace_s": "2"}


async def kill(made: Cluster, sink: Sink, size: Kills) -> str:
    """Start runs all the time and kill one process after the other, any of them; returns what came of it."""
    chance, alone = random.Random(size.seed), not made.workers
    async with client_of(made) as client:
        workflows = [await client.store(chain(sink)), await client.store(branches(sink))]
        enough, deaths = asyncio.Event(), list[Death]()
        starting = [asyncio.create_task(_keep_starting(client, workflows[n % 2], str(n), enough)) for n in range(size.in_flight)]
        for _ in range(size.kills):
            await asyncio.sleep(chance.uniform(0.0, size.uptime_s))
            victim, dead = chance.choice(made.processes), time.time()
            await asyncio.to_thread(victim.kill)
            await asyncio.to_thread(victim.start)
            deaths.append(Death(dead, time.time()))
        enough.set()
        await asyncio.gather(*starting)
    found = await audit(made.database, client.promised, sink.hits)
    waits = [wait for course in found.values() for wait in recoveries(course, deaths, alone=alone)]
    assert waits, "no run was ever taken up again"
    figures = f"{len(deaths)} kills, {len(found)} runs, {len(sink.hits)} effects; {len(waits)} runs taken up again: {quantiles(waits)}"
    assert percentile95(waits) <= size.recovery_s, figures
    return figures


async def _keep_starting(client: Client, workflow: str, name: str, enough: asyncio.Event) -> None:
    """Start one run after the other, each when the one before has ended."""
    count = 0
    while not enough.is_set():
        count += 1
        key = f"{name}-{count}"
        await client.start(workflow, key)
        await client.ended(client.promised[key])
