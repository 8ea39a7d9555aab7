"""The broker loses everything while runs are queued, and again while workers consume: every accepted run ends."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from celery import Celery
from redis import Redis

from agentflow.infra.celery.app import celery_app
from tests.acceptance.campaigns.audit import audit
from tests.acceptance.campaigns.starting import all_end, left, right, start_many
from tests.acceptance.client import Client
from tests.acceptance.cluster import Cluster, client_of
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import doubled


@dataclass(frozen=True)
class Wiped:
    """How much happens.

    Attributes:
        runs: how many are queued when the broker loses them.
        workers: how many drive them then.
        within_s: how long they may take.
    """

    runs: int
    workers: int = 1
    within_s: float = 60.0


# Nobody but the broker tells a worker of new runs within a minute.
SETTINGS = {"sweep_interval_s": "60", "http_allowed_hosts": "127.0.0.1", "shutdown_grace_s": "2"}
HEARD_S, HEARD_TRIES = 3.0, 5


async def wipe(made: Cluster, broker: str, sink: Sink, size: Wiped) -> str:
    """Queue runs, wipe the broker before and while workers are there, and wait; returns what came of it."""
    async with client_of(made) as client:
        workflow = await client.store(doubled(sink))
        await start_many(client, workflow, size.runs)
        lost = await asyncio.to_thread(_forget, made, broker)
        begin = time.monotonic()
        for _ in range(size.workers):
            await asyncio.to_thread(made.add_worker)
        while (open_runs := await left(client)) is None or open_runs > size.runs // 2:
            assert time.monotonic() - begin < size.within_s, f"{open_runs} runs have not ended"
            await asyncio.sleep(0.05)
        await asyncio.to_thread(_forget, made, broker)
        await all_end(client, size.within_s)
        took_s = time.monotonic() - begin
        await _heard(client, workflow, size.runs)
    found = await audit(made.database, client.promised, sink.hits)
    assert len(found) > size.runs
    right(found, client.promised)
    return f"{lost} messages lost with {size.runs} runs queued, and the rest again half-way: {len(found)} of {len(found)} ended, {took_s:.0f} s"


async def _heard(client: Client, workflow: str, number: int) -> None:
    """Start runs until one of them has its worker called by the broker: the sweepers come too late for it."""
    for n in range(number, number + HEARD_TRIES):
        await client.start(workflow, str(n), {"n": n})
        with contextlib.suppress(AssertionError):
            await all_end(client, HEARD_S)
            return
    raise AssertionError("the workers are deaf since the broker was wiped")


def _forget(made: Cluster, broker: str) -> int:
    """Delete the queue itself, with what is in it; returns how many messages that were."""
    with celery_app(broker, made.database.rsplit("/", 1)[1]) as app:
        queue = app.conf.task_default_queue
        if urlsplit(broker).scheme == "redis":
            redis = Redis.from_url(broker)
            count = int(redis.llen(queue))
            redis.delete(queue)
            redis.close()
            return count
        return _delete(app, queue)


def _delete(app: Celery, queue: str) -> int:
    with app.connection_for_write() as connection:
        return int(connection.default_channel.queue_delete(queue) or 0)
