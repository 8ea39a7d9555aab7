"""kill -9 at random moments, with runs in flight all the time: nothing that was accepted is lost, nothing that finished runs again.

``AGENTFLOW_CRASH_KILLS`` sets how many kills there are on each database, ``AGENTFLOW_CRASH_IN_FLIGHT`` how many runs are under way,
``AGENTFLOW_CRASH_SEED`` repeats the moments of the kills.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from scripts.server_process import ServerProcess
from tests.acceptance.client import Client
from tests.acceptance.sink import Hit, Sink

KILLS = int(os.environ.get("AGENTFLOW_CRASH_KILLS", "12"))
SEED = int(os.environ.get("AGENTFLOW_CRASH_SEED", random.randrange(10**6)))
IN_FLIGHT = int(os.environ.get("AGENTFLOW_CRASH_IN_FLIGHT", "20"))
RECOVERY_S = 5.0
UPTIME_S = 5.0
"""Longest life of a server: long enough to load the engine and for runs to get on."""


def call(sink: Sink, node: str, **more: Any) -> dict[str, Any]:
    """Return an http node that leaves a trace in the sink."""
    url = f"http://127.0.0.1:{sink.port}/{{{{ run.id }}}}/{node}"
    return {"id": node, "type": "http", "config": {"method": "POST", "url": url, "body": {}}, **more}


def chain(sink: Sink) -> dict[str, Any]:
    """Return effects, waits and pure nodes in a row."""
    nodes: list[dict[str, Any]] = []
    for n in range(4):
        nodes += [call(sink, f"call{n}"), {"id": f"wait{n}", "type": "delay", "config": {"seconds": 0.05}}]
        nodes += [{"id": f"pure{n}", "type": "transform", "config": {"value": {"ok": f"{{{{ nodes.call{n}.body.ok }}}}"}}}]
    edges = [{"from": a["id"], "to": b["id"]} for a, b in pairwise(nodes)]
    return {"spec_version": "1", "name": "chain", "start_node": "call0", "nodes": nodes, "edges": edges}


def branches(sink: Sink) -> dict[str, Any]:
    """Return parallel branches and a map, joined, and an effect after the join."""
    node = {"type": "http", "config": call(sink, "item{{ index }}")["config"]}
    nodes = [
        {"id": "begin", "type": "transform", "config": {"value": {"items": [0, 1, 2, 3, 4]}}},
        call(sink, "left"),
        {"id": "each", "type": "map", "config": {"items": "{{ nodes.begin.items }}", "node": node, "max_concurrency": 2}},
        {"id": "join", "type": "aggregator", "config": {"strategy": "all"}},
        call(sink, "last"),
    ]
    edges = [
        {"from": "begin", "to": ["left", "each"]},
        {"from": "left", "to": "join"},
        {"from": "each", "to": "join"},
        {"from": "join", "to": "last"},
    ]
    return {"spec_version": "1", "name": "branches", "start_node": "begin", "nodes": nodes, "edges": edges}


@pytest.fixture
def server_settings() -> dict[str, str]:
    """Let no run be given up for being there at many deaths: it is not what kills the server."""
    return {"max_attempts": "1000"}


@pytest.mark.slow
@pytest.mark.timeout(120 + 30 * KILLS)
async def test_kill_9_loses_nothing_and_repeats_nothing(server: ServerProcess, client: Client, sink: Sink) -> None:
    """Runs are started all the time, and the server dies at random moments: every accepted run ends, and is taken up again in time."""
    print(f"AGENTFLOW_CRASH_SEED={SEED} AGENTFLOW_CRASH_KILLS={KILLS} AGENTFLOW_CRASH_IN_FLIGHT={IN_FLIGHT}")  # noqa: T201 - repeats a failure
    chance = random.Random(SEED)
    workflows = [await client.store(chain(sink)), await client.store(branches(sink))]
    enough = asyncio.Event()
    starting = [asyncio.create_task(_keep_starting(client, workflows[n % 2], str(n), enough)) for n in range(IN_FLIGHT)]
    deaths: dict[float, float] = {}
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0.0, UPTIME_S))
        dead = time.time()
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        deaths[dead] = time.time()
    enough.set()
    await asyncio.gather(*starting)
    await _audit(client, sink, deaths)


async def _keep_starting(client: Client, workflow: str, name: str, enough: asyncio.Event) -> None:
    """Start one run after the other, each when the one before has ended."""
    count = 0
    while not enough.is_set():
        count += 1
        key = f"{name}-{count}"
        await client.start(workflow, key)
        await client.ended(client.promised[key])


async def _audit(client: Client, sink: Sink, deaths: Mapping[float, float]) -> None:
    """Check every promise of the whole trial."""
    assert len(client.promised) == len(set(client.promised.values())) >= IN_FLIGHT
    listed = (await client.get("/runs?limit=1&count=true"))["total"]
    assert listed == len(client.promised), f"seed {SEED}: a repeated request made another run"
    hits: dict[str, list[Hit]] = {}
    for hit in sink.hits:
        hits.setdefault(hit.run_id, []).append(hit)
    waits: list[float] = []
    for run_id in client.promised.values():
        waits += await _audit_run(client, run_id, hits[run_id], deaths)
    assert waits, f"seed {SEED}: no run was ever taken up again"
    waits.sort()
    median, p95 = waits[len(waits) // 2], waits[len(waits) * 95 // 100]
    starts = sorted(ready - dead for dead, ready in deaths.items())
    figures = f"restarts of {starts[len(starts) // 2]:.2f} s in the median, {len(waits)} recoveries behind them, median {median:.2f} s, p95 {p95:.2f} s, longest {waits[-1]:.2f} s"
    print(f"{len(deaths)} kills, {len(client.promised)} runs, {len(sink.hits)} calls, {figures}")  # noqa: T201 - what the trial covered
    assert p95 <= RECOVERY_S, f"seed {SEED}: {figures}"


async def _audit_run(client: Client, run_id: str, hits: list[Hit], deaths: Mapping[float, float]) -> list[float]:
    """Check one run; returns how long after each restart it was taken up again."""
    run, events = await client.get(f"/runs/{run_id}"), await client.events(run_id)
    assert run["status"] == "succeeded", (SEED, run)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1)), (SEED, run_id)
    done = [event for event in events if event["type"] == "node.completed"]
    times = {_place(event): datetime.fromisoformat(event["at"]).timestamp() for event in done}
    assert len(times) == len(done), f"seed {SEED}, run {run_id}: a node completed twice:\n" + "\n".join(map(str, events))
    keys: dict[str, set[str]] = {}
    for hit in hits:
        place = hit.node.replace("item", "each[") + "]" if hit.node.startswith("item") else hit.node
        keys.setdefault(place, set()).add(hit.key)
        assert hit.at <= times[place], f"seed {SEED}, run {run_id}: {place} ran again after it had completed"
    assert all(len(used) == 1 for used in keys.values()), f"seed {SEED}, run {run_id}: the idempotency key of a node changed"
    assert Counter(event["type"] for event in events)["run.succeeded"] == 1
    begun = [datetime.fromisoformat(event["at"]).timestamp() for event in events if event["type"] in {"run.started", "run.resumed"}]
    born = datetime.fromisoformat(run["created_at"]).timestamp()
    before = [max((death for death in deaths if death < at), default=0.0) for at in begun]
    return [max(at - deaths[death], 0.0) for at, death in zip(begun, before, strict=True) if death > born]


def _place(event: dict[str, Any]) -> str:
    iteration = event["data"].get("iteration", 0)
    return f"{event['node_id']}#{iteration}" if iteration else str(event["node_id"])
