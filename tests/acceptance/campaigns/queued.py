"""Everything dies while many runs are queued: the server is ready soon, stays small, and ends them all in the order of their keys."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.acceptance.campaigns.audit import Course, audit
from tests.acceptance.campaigns.starting import all_end
from tests.acceptance.client import Client
from tests.acceptance.cluster import Cluster, client_of
from tests.acceptance.sink import Sink
from tests.acceptance.workflows import doubled

READY_S, RESIDENT_MB = 10.0, 512.0


@dataclass(frozen=True)
class Queued:
    """How much is queued.

    Attributes:
        runs: how many runs.
        keys: workflows that may run once at a time; each is a key whose runs must keep their order.
        within_s: how long the runs may take.
    """

    runs: int
    keys: int = 20
    within_s: float = 120.0


# One place, so that one run that waits keeps all others in the queue.
HELD = {"max_concurrent_runs": "1", "park_after_s": "3600", "http_allowed_hosts": "127.0.0.1", "shutdown_grace_s": "2"}
FREE = {**HELD, "max_concurrent_runs": "1000"}


async def queue(made: Cluster, sink: Sink, size: Queued) -> str:
    """Queue runs, kill everything, start again and wait; returns what came of it.

    ``made`` was started with the settings ``HELD``.
    """
    async with client_of(made) as client:
        await client.start(await client.store(_gate()), "gate")
        async with aclosing(client.follow(client.promised["gate"])) as events:
            async for event in events:
                if event == "node.started":
                    break
        workflows = [await client.store(_one_at_a_time(sink, number)) for number in range(size.keys)]
        async with asyncio.TaskGroup() as group:
            for number, workflow in enumerate(workflows):
                group.create_task(_fill(client, workflow, range(number, size.runs, size.keys)))
        for process in made.processes:
            process.kill()
        made.change(FREE)
        ready_s = await asyncio.to_thread(made.api.start)
        begin = time.monotonic()
        gate = client.promised.pop("gate")
        assert (await client.http.post(f"/runs/{gate}/cancel")).status_code in {200, 202}
        await all_end(client, size.within_s)
        took_s, peak_mb = time.monotonic() - begin, made.api.peak_mb()
    found = await audit(made.database, client.promised, sink.hits, apart={gate})
    _in_order(found, client, size)
    figures = f"{size.runs} runs queued: ready after {ready_s:.1f} s, all ended {took_s:.0f} s later, in order, at most {peak_mb:.0f} MB"
    assert ready_s <= READY_S, figures
    assert peak_mb <= RESIDENT_MB, figures
    return figures


async def _fill(client: Client, workflow: str, numbers: range) -> None:
    """Start the runs of one key, each when the one before was accepted."""
    for n in numbers:
        await client.start(workflow, str(n), {"n": n})


def _in_order(found: dict[str, Course], client: Client, size: Queued) -> None:
    for key in range(size.keys):
        starts = [found[client.promised[str(n)]].started_at for n in range(key, size.runs, size.keys)]
        assert all(a is not None and b is not None and a < b for a, b in pairwise(starts)), f"key {key}: its runs changed their order"


def _gate() -> dict[str, Any]:
    nodes = [{"id": "wait", "type": "delay", "config": {"seconds": 3600}}]
    return {"spec_version": "1", "name": "gate", "start_node": "wait", "nodes": nodes, "edges": []}


def _one_at_a_time(sink: Sink, number: int) -> dict[str, Any]:
    return {**doubled(sink), "name": f"key-{number}", "limits": {"max_concurrency": 1}}
