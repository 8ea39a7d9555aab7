"""Queues of a specification: traffic over an edge passes their limits, and whoever waits is seen to wait."""

import asyncio
from typing import Any

import pytest

from agentflow.kit.ids import new_id
from agentflow.runtime.runs.schemas import Run
from agentflow.runtime.runs.service import RunService
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, statuses, transform, until
from tests.support.redis_server import REDIS

SLOW = {"max_messages_per_second": 0.001, "burst_size": 1}
FAST = {"max_messages_per_second": 20, "burst_size": 1}
STEADY = {"max_messages_per_second": 4, "burst_size": 1}
"""So slow that what comes together waits, also on a busy machine."""


def shaped(bandwidth: dict[str, Any], node: dict[str, Any] | None = None, **queue: Any) -> dict[str, Any]:
    """Return a specification whose only edge has a queue; each has a name, and so limits, of its own."""
    queues = [{"id": "lane", "from": "a", "to": "p", "bandwidth": bandwidth, **queue}]
    return spec_of([transform("a", 1), node or probe("p", value="ok")], ["a>p"], queues=queues, name=f"q-{new_id()}")


async def limited(runs: RunService, run: Run) -> list[tuple[str | None, dict[str, Any]]]:
    """Return where a run waited, and why."""
    return [(event.node_id, event.data) for event in await runs.events(SUBJECT, run.id) if event.type == "node.rate_limited"]


@pytest.mark.parametrize("changed", [{}, {"redis_url": REDIS}], ids=["memory", "redis"])
async def test_traffic_over_an_edge_keeps_its_rate(world: World, changed: dict[str, Any]):
    """Five at four a second behind a bucket of one take a second; waiting is no attempt."""
    spec, loop = shaped(STEADY), asyncio.get_running_loop()
    async with world.runtime(**changed) as runs:
        begin = loop.time()
        ended = await asyncio.gather(*(run_to_end(runs, spec) for _ in range(5)))
        elapsed = loop.time() - begin
        waits = [data for run in ended for _, data in await limited(runs, run)]
        attempts = [record.attempts for run in ended for record in await runs.nodes(SUBJECT, run.id)]
    assert {run.status for run in ended} == {"succeeded"}
    assert elapsed >= 4 / 4
    assert len(waits) == 4
    assert all(data["queue"] == "lane" and data["reason"] == "max_messages_per_second" and data["wait_s"] <= 1.01 for data in waits)
    assert set(attempts) == {1}


async def test_two_processes_share_the_limit_through_redis(world: World):
    """Two runtimes with buckets of their own would let twice as much pass."""
    spec, loop = shaped(FAST), asyncio.get_running_loop()
    async with world.runtime(redis_url=REDIS) as one, world.runtime(redis_url=REDIS) as other:
        begin = loop.time()
        await asyncio.gather(*(run_to_end(runs, spec) for runs in (one, other) * 4))
        assert loop.time() - begin >= 7 / 20


async def test_whoever_waits_reads_rate_limited_and_can_be_cancelled(world: World):
    """The wait holds up nobody else, and ends with the run."""
    spec = shaped(SLOW)
    async with world.runtime() as runs:
        await run_to_end(runs, spec)
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "node.rate_limited")
        assert await statuses(runs, run.id) == {"a": "completed", "p": "rate_limited"}
        assert (await run_to_end(runs, spec_of([transform("t", 1)]))).status == "succeeded"
        cancelled = await runs.cancel(SUBJECT, run.id)
        assert await statuses(runs, run.id) == {"a": "completed", "p": "cancelled"}
    assert cancelled.status == "cancelled"
    assert world.probe.runs == {"p": 1}


async def test_an_effect_that_only_waited_is_no_unknown_outcome(world: World):
    """A node that cannot be repeated and had not begun when its process stopped simply begins."""
    spec = shaped(SLOW, probe("p", "once_probe", value="paid"))
    async with world.runtime(shutdown_grace_s=0) as runs:
        await run_to_end(runs, spec)
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "node.rate_limited")
    async with world.runtime() as runs:
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert (ended.status, ended.outputs) == ("succeeded", "paid")


async def test_an_effect_under_way_behind_a_queue_is_left_to_a_person(world: World):
    """Once the queue let it pass, the effect may have happened."""
    spec = shaped(FAST, probe("p", "once_probe", wait_for="gate"))
    async with world.runtime(shutdown_grace_s=0) as runs:
        await asyncio.gather(*(runs.start_inline(SUBJECT, spec, {}) for _ in range(2)))
        while world.once.runs["p"] < 2:
            await world.once.arrival("gate").wait()
            world.once.reached.clear()
        ids = [run.id for run in (await runs.list(SUBJECT, _every(), _page())).items]
    async with world.runtime() as runs:
        for run_id in ids:
            assert (await until(runs, run_id, "run.waiting")).status == "needs_attention"


def _every() -> Any:
    from agentflow.runtime.runs.queries import RunFilter

    return RunFilter()


def _page() -> Any:
    from agentflow.kit.pagination import PageRequest

    return PageRequest()


LANES = [{"id": "interactive", "weight": 0.8}, {"id": "batch", "weight": 0.2}]


@pytest.mark.parametrize(
    ("lanes", "asked", "got"),
    [
        (LANES, "interactive", "interactive"),
        (LANES, "unheard-of", "batch"),
        (LANES, None, "batch"),
        ([*LANES, {"id": "default", "weight": 0.9}], "unheard-of", "default"),
        ([], "interactive", None),
    ],
)
async def test_the_lane_of_a_run_chooses_its_sub_queue(world: World, lanes: list[Any], asked: str | None, got: str | None):
    """Without a lane, or with one the queue does not know: ``default`` where there is one, else the lightest."""
    spec = shaped(SLOW, sub_queues=lanes)
    async with world.runtime(shutdown_grace_s=0) as runs:
        await run_to_end(runs, spec)
        run = await runs.start_inline(SUBJECT, spec, {}, lane=asked)
        await until(runs, run.id, "node.rate_limited")
        ((_, data),) = await limited(runs, run)
    assert data.get("lane") == got


async def test_the_heavier_lane_goes_first_when_the_queue_is_full(world: World):
    """Of those that wait, four of five are interactive."""
    spec = shaped({"max_messages_per_second": 50, "burst_size": 1}, sub_queues=LANES)
    order: list[str] = []

    async def one(runs: RunService, lane: str) -> None:
        await run_to_end(runs, spec, lane=lane)
        order.append(lane)

    async with world.runtime() as runs:
        await asyncio.gather(*(one(runs, lane) for lane in ["batch"] * 12 + ["interactive"] * 12))
    assert order[:15].count("interactive") >= 9


async def test_a_retry_is_a_request_but_no_message(world: World):
    """A limit on requests holds for each attempt, a limit on messages for what comes over the edge."""
    node = probe("p", fail_times=1, value="ok", policy={"retry": {"max_attempts": 2, "initial_interval_s": 0}})
    async with world.runtime() as runs:
        by_request = await run_to_end(runs, shaped({"max_requests_per_minute": 240, "burst_size": 1}, node))
        by_message = await run_to_end(runs, shaped(FAST, node))
        ((_, data),) = await limited(runs, by_request)
        assert await limited(runs, by_message) == []
    assert data["reason"] == "max_requests_per_minute"
    assert by_request.outputs == by_message.outputs == "ok"


async def test_model_tokens_are_reserved_by_estimate_and_settled_by_use(world: World):
    """What an attempt did not use flows back; what it used beyond its estimate is owed."""
    # Ten tokens a second, a hundred at once.
    bandwidth = {"max_tokens_per_minute": 600}
    frugal = shaped(bandwidth, probe("p", expected=60, tokens=5))
    greedy = {**shaped(bandwidth, probe("p", expected=5, tokens=400)), "name": frugal["name"]}
    async with world.runtime(shutdown_grace_s=0) as runs:
        assert [await limited(runs, await run_to_end(runs, frugal)) for _ in range(2)] == [[], []]
        await run_to_end(runs, greedy)
        run = await runs.start_inline(SUBJECT, greedy, {})
        await until(runs, run.id, "node.rate_limited")
        ((_, data),) = await limited(runs, run)
    assert data["reason"] == "max_tokens_per_minute"
    assert 25 < data["wait_s"] < 32


async def test_only_traffic_over_the_edge_is_shaped(world: World):
    """Who comes another way to the same node does not wait."""
    nodes = [
        {"id": "r", "type": "router", "config": {"routes": [{"when": "inputs.slow", "to": "s"}], "default": "d"}},
        transform("s", 1),
        transform("d", 1),
        probe("p", value="ok"),
    ]
    queues = [{"id": "lane", "from": "s", "to": "p", "bandwidth": SLOW}]
    spec = spec_of(nodes, ["s>p", "d>p"], queues=queues, name=f"q-{new_id()}", inputs={"properties": {"slow": {"type": "boolean"}}})
    async with world.runtime(shutdown_grace_s=0) as runs:
        for _ in range(3):
            assert (await run_to_end(runs, spec, {"slow": False})).status == "succeeded"
        assert (await run_to_end(runs, spec, {"slow": True})).status == "succeeded"
        run = await runs.start_inline(SUBJECT, spec, {"slow": True})
        await until(runs, run.id, "node.rate_limited")


async def test_a_way_back_can_be_shaped(world: World):
    """The first round comes over the way in and passes; those after it come over the loop's edge and wait."""
    nodes = [transform("a", 1), probe("p", value=1), transform("c", 1)]
    edges = [
        {"from": "a", "to": "p"},
        {"from": "p", "to": "c"},
        {"from": "c", "to": "p", "loop": {"max_iterations": 2, "on_exhausted": "continue"}},
    ]
    spec = spec_of(nodes, edges, queues=[{"id": "back", "from": "c", "to": "p", "bandwidth": STEADY}], name=f"q-{new_id()}")
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        waits = await limited(runs, run)
    assert run.status == "succeeded", run.error
    assert world.probe.runs == {"p": 3}
    assert len(waits) == 1


@pytest.mark.parametrize(
    "body",
    [{"node": probe("item", value=1)}, {"graph": {"nodes": [probe("x", value=1), transform("y", 2)], "edges": [{"from": "x", "to": "y"}]}}],
)
async def test_the_traffic_to_a_map_is_its_items(world: World, body: dict[str, Any]):
    """Each item passes the queue once."""
    each = {"id": "each", "type": "map", "config": {"items": "{{ [1, 2, 3, 4] }}", **body}}
    queues = [{"id": "lane", "from": "a", "to": "each", "bandwidth": STEADY}]
    spec = spec_of([transform("a", 1), each], ["a>each"], queues=queues, name=f"q-{new_id()}")
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        waits = await limited(runs, run)
    assert run.status == "succeeded", run.error
    assert len(waits) == 3
    assert {node for node, _ in waits} <= {f"each[{index}]" for index in range(4)}


async def test_a_map_pays_for_the_tokens_of_its_items(world: World):
    """What the model calls of the items used is owed by those that come next."""
    each = {"id": "each", "type": "map", "config": {"items": "{{ [1, 2] }}", "node": probe("item", tokens=200)}}
    queues = [{"id": "lane", "from": "a", "to": "each", "bandwidth": {"max_tokens_per_minute": 600}}]
    spec = spec_of([transform("a", 1), each], ["a>each"], queues=queues, name=f"q-{new_id()}")
    direct = spec_of([transform("a", 1), probe("each", expected=1)], ["a>each"], queues=queues, name=spec["name"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        assert (await run_to_end(runs, spec)).status == "succeeded"
        run = await runs.start_inline(SUBJECT, direct, {})
        await until(runs, run.id, "node.rate_limited")
        ((_, data),) = await limited(runs, run)
    assert 25 < data["wait_s"] < 31


async def test_a_queue_without_limits_holds_up_nobody(world: World):
    """An empty bandwidth is no limit."""
    async with world.runtime() as runs:
        assert await limited(runs, await run_to_end(runs, shaped({}))) == []
