"""Checkpoints in Redis, with real processes: whichever of the server and Redis dies, every run comes to its end, and no effect is repeated.

``AGENTFLOW_CRASH_KILLS`` sets how many kills there are on each database, ``AGENTFLOW_CRASH_SEED`` repeats their moments.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from agentflow.infra.redis import open_redis
from scripts.server_process import ServerProcess
from tests.acceptance.campaigns.audit import Death, audit, recoveries
from tests.acceptance.client import TERMINAL, Client
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import branches, chain
from tests.databases import new_postgres
from tests.support.redis_server import RedisProcess, redis_process

__all__ = ["redis_process"]

KILLS = int(os.environ.get("AGENTFLOW_CRASH_KILLS", "4"))
SEED = int(os.environ.get("AGENTFLOW_CRASH_SEED", random.randrange(10**6)))
IN_FLIGHT = 20


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path: Path, redis_process: RedisProcess) -> Iterator[ServerProcess]:
    """Give a running server whose checkpoints go to Redis."""
    settings = {"http_allowed_hosts": "127.0.0.1", "shutdown_grace_s": "2", "checkpoint_tier": "redis", "redis_url": redis_process.url}
    with new_postgres() if request.param == "postgresql" else nullcontext() as url:
        server = ServerProcess(tmp_path / "data", url, settings)
        server.start()
        yield server
        server.kill()


@pytest.fixture
async def client(server: ServerProcess) -> AsyncIterator[Client]:
    client = Client(server)
    yield client
    await client.close()


@pytest.mark.slow
@pytest.mark.timeout(120 + 120 * KILLS)
async def test_the_loss_of_redis_or_of_the_server_or_of_both_loses_nothing(
    server: ServerProcess, client: Client, sink: Sink, redis_process: RedisProcess
) -> None:
    """Flushed, killed, killed together with the server, or only the server killed: all runs end, and finished nodes stay finished."""
    print(f"AGENTFLOW_CRASH_SEED={SEED} AGENTFLOW_CRASH_KILLS={KILLS}")  # noqa: T201 - repeats a failure
    chance, deaths = random.Random(SEED), list[Death]()
    workflows = [await client.store(chain(sink)), await client.store(branches(sink))]
    for kill in range(KILLS):
        starting = [asyncio.create_task(client.start(workflows[n % 2], f"{kill}-{n}")) for n in range(IN_FLIGHT)]
        await asyncio.wait(starting, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(chance.uniform(0.0, 0.6))
        flush, redis_dies, server_dies = [(True, False, True), (False, True, False), (False, True, True), (False, False, True)][kill % 4]
        if flush:
            await _flush(redis_process)
        if redis_dies:
            redis_process.kill()
        if server_dies:
            dead = time.time()
            await asyncio.to_thread(server.kill)
            # Without Redis a server works, but says that it is not ready.
            await asyncio.to_thread(server.start, asks="/health/live" if redis_dies else "/health/ready")
            deaths.append(Death(dead, time.time()))
        await asyncio.gather(*starting)
        await _ended(client)
        if redis_dies:
            redis_process.start()
    assert len(client.promised) == KILLS * IN_FLIGHT
    found = await audit(server.database_url, client.promised, sink.hits)
    assert any(recoveries(course, deaths, alone=True) for course in found.values())


async def _ended(client: Client) -> None:
    """Wait for the end of every promised run; how fast is the business of other tests."""
    for run_id in client.promised.values():
        async for kind in client.follow(run_id):
            if kind.removeprefix("run.") in TERMINAL:
                break


async def _flush(process: RedisProcess) -> None:
    redis = open_redis(process.url)
    await redis.flushall()
    await redis.aclose()
