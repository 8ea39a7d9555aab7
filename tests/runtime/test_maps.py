"""The ``map`` node: one execution of its body per item."""

from typing import Any

import pytest

from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, transform

INPUTS = {"type": "object", "properties": {"xs": {"type": "array"}}}


def over(body: dict[str, Any], **config: Any) -> dict[str, Any]:
    node = {"id": "each", "type": "map", "config": {"items": "{{ inputs.xs }}", **body, **config}}
    return spec_of([node, transform("out", "{{ nodes.each.results }}")], ["each>out"], inputs=INPUTS)


async def test_results_come_in_the_order_of_the_items(world: World):
    """Each item is ``item``, its place is ``index``."""
    async with world.runtime() as runs:
        run = await run_to_end(
            runs, over({"node": {"type": "transform", "config": {"value": "{{ item }}@{{ index }}"}}}), {"xs": ["a", "b", "c"]}
        )
        nodes = {record.node_id for record in await runs.nodes(SUBJECT, run.id)}
    assert run.outputs == ["a@0", "b@1", "c@2"]
    assert {"each", "each[0]", "each[1]", "each[2]"} <= nodes


async def test_a_graph_as_body_runs_per_item(world: World):
    """Inside a sub-graph nodes refer to one another, and outer names stay visible."""
    graph = {
        "nodes": [
            transform("p", "{{ item * 2 }}"),
            probe("q", value="{{ nodes.p + 1 }}"),
            transform("r", "{{ nodes.q }}/{{ inputs.xs | length }}"),
        ],
        "edges": [{"from": "p", "to": ["q"]}, {"from": "q", "to": "r"}],
        "start_node": "p",
    }
    async with world.runtime() as runs:
        run = await run_to_end(runs, over({"graph": graph}), {"xs": [1, 2, 3]})
    assert run.outputs == ["3/3", "5/3", "7/3"], run.error


async def test_a_graph_with_branches_runs_per_item(world: World):
    """A body with a join is driven like any graph."""
    graph = {
        "nodes": [
            transform("p", "{{ item }}"),
            transform("l", "l"),
            transform("r", "r"),
            transform("j", "{{ nodes.p }}{{ nodes.l }}{{ nodes.r }}"),
        ],
        "edges": [{"from": "p", "to": ["l", "r"]}, {"from": "l", "to": "j"}, {"from": "r", "to": "j"}],
        "start_node": "p",
    }
    async with world.runtime() as runs:
        run = await run_to_end(runs, over({"graph": graph}), {"xs": [1, 2]})
    assert run.outputs == ["1lr", "2lr"], run.error


async def test_no_items_give_no_results(world: World):
    """An empty list is a map that is through at once."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, over({"node": {"type": "probe", "config": {}}}), {"xs": []})
    assert run.outputs == []


async def test_no_more_than_max_concurrency_items_run_at_a_time(world: World):
    """With two lanes, a third item begins only after one of the first two has ended."""
    body = {"node": {"type": "probe", "config": {"value": "{{ item }}", "wait_for": "{{ item }}"}}}
    async with world.runtime() as runs:
        started = await runs.start_inline(SUBJECT, over(body, max_concurrency=2), {"xs": ["a", "b", "c"]})
        await world.probe.arrival("a").wait()
        await world.probe.arrival("b").wait()
        assert not world.probe.arrival("c").is_set()
        for gate in "abc":
            world.probe.gate(gate).set()
        run = await runs.wait(SUBJECT, started.id, 30)
    assert run.outputs == ["a", "b", "c"]


@pytest.mark.parametrize(("mode", "status", "outputs"), [("fail", "failed", None), ("keep", "succeeded", [0, None, 2])])
async def test_a_failed_item_fails_the_map_or_is_kept(world: World, mode: str, status: str, outputs: Any):
    """``on_item_error`` decides; a kept error leaves null in its place."""
    node = {"type": "probe", "config": {"value": "{{ item }}", "fail_times": "{{ 9 if item == 1 else 0 }}"}}
    async with world.runtime() as runs:
        run = await run_to_end(runs, over({"node": node}, on_item_error=mode), {"xs": [0, 1, 2]})
    assert (run.status, run.outputs) == (status, outputs)
    if run.error is not None:
        assert (run.error.code, run.error.node_id, run.error.details["index"]) == ("PROBE", "each", 1)


async def test_too_many_items_are_refused_by_name(world: World):
    """S90: ``max_map_items`` bounds a map, and nothing of it runs."""
    async with world.runtime(max_map_items=10) as runs:
        run = await run_to_end(runs, over({"node": {"type": "probe", "config": {}}}), {"xs": list(range(11))})
    assert run.error is not None
    assert run.error.details == {"limit": "max_map_items"}
    assert not world.probe.runs
