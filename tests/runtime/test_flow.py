"""How a run goes through its graph: branches, joins, routers, loops, errors."""

import pytest

from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, statuses, transform


async def test_a_chain_runs_in_order_and_its_events_have_no_gap(world: World):
    """Nodes of a chain run one after the other, and events are numbered from 1 without gaps."""
    spec = spec_of([transform(f"n{i}", i) for i in range(5)], [f"n{i}>n{i + 1}" for i in range(4)])
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        events = await runs.events(SUBJECT, run.id)
    assert run.status == "succeeded"
    assert run.outputs == 4
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.node_id for event in events if event.type == "node.started"] == ["n0", "n1", "n2", "n3", "n4"]
    assert [event.type.value for event in events][:2] == ["run.queued", "run.started"]
    assert events[-1].type == "run.succeeded"
    assert events[-1].data == {"outputs": 4}


async def test_a_join_runs_once_after_all_branches(world: World):
    """A node with two living branches of different length runs once, when both have arrived."""
    nodes = [
        transform("a", 1),
        transform("b", "B"),
        transform("c", "C"),
        transform("c2", "{{ nodes.c }}2"),
        probe("j", value="{{ nodes.b }}{{ nodes.c2 }}"),
    ]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of(nodes, [{"from": "a", "to": ["b", "c"]}, "c>c2", "b>j", "c2>j"]))
    assert run.outputs == "BC2"
    assert world.probe.runs["j"] == 1


async def test_branches_run_at_the_same_time(world: World):
    """Two branches each wait for the other to have begun, which only ends when they overlap."""
    world.probe.gates["left"] = world.probe.arrival("right")
    world.probe.gates["right"] = world.probe.arrival("left")
    nodes = [transform("a", 1), probe("l", wait_for="left"), probe("r", wait_for="right")]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of(nodes, [{"from": "a", "to": ["l", "r"]}]))
    assert run.status == "succeeded"


async def test_nodes_take_turns_where_the_specification_says_so(world: World):
    """With ``max_parallel_nodes`` of 1 branches and the items of a map never overlap; all of them run all the same."""
    each = {"type": "delay", "config": {"seconds": 0.01}}
    items = {"id": "m", "type": "map", "config": {"items": [1, 2, 3], "node": each}}
    delays = [{"id": name, "type": "delay", "config": {"seconds": 0.01}} for name in ("b", "c", "d")]
    spec = spec_of([transform("a", 1), *delays, items], [{"from": "a", "to": ["b", "c", "d", "m"]}], limits={"max_parallel_nodes": 1})
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        events = await runs.events(SUBJECT, run.id)
    steps = [(event.type.value, event.node_id) for event in events if event.type.value.startswith("node.") and event.node_id != "m"]
    assert [kind for kind, _ in steps] == ["node.started", "node.completed"] * 7
    assert all(begun == ended for (_, begun), (_, ended) in zip(steps[::2], steps[1::2], strict=True))
    assert [node for _, node in steps[::2]][:4] == ["a", "b", "c", "d"]


ROUTED = spec_of(
    [
        {"id": "way", "type": "router", "config": {"routes": [{"when": "inputs.x > 1", "to": "high"}], "default": "low"}},
        transform("high", "H"),
        transform("higher", "{{ nodes.high }}H"),
        transform("low", "L"),
        {"id": "join", "type": "aggregator", "config": {"strategy": "first"}},
    ],
    ["high>higher", "higher>join", "low>join"],
    inputs={"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}},
    outputs={"answer": "{{ nodes.join.value }}"},
)


@pytest.mark.parametrize(("x", "answer", "dead"), [(5, "HH", {"low"}), (0, "L", {"high", "higher"})])
async def test_a_join_does_not_wait_for_a_branch_that_was_not_taken(world: World, x: int, answer: str, dead: set[str]):
    """The branch that the router did not choose is marked skipped, and the join goes on without it."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, ROUTED, {"x": x})
        states = await statuses(runs, run.id)
    assert run.outputs == {"answer": answer}
    assert {node for node, state in states.items() if state == "skipped"} == dead


async def test_an_edge_whose_condition_is_false_is_not_taken(world: World):
    """Of two conditional edges only the true one is followed."""
    nodes = [transform("a", 3), transform("odd", 1), transform("even", 2)]
    edges = [{"from": "a", "to": "odd", "condition": "nodes.a % 2 == 1"}, {"from": "a", "to": "even", "condition": "nodes.a % 2 == 0"}]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of(nodes, edges))
        assert await statuses(runs, run.id) == {"a": "completed", "odd": "completed", "even": "skipped"}


async def test_when_skips_a_node_and_the_run_goes_on_behind_it(world: World):
    """A node whose ``when`` is false is skipped; its successors run, and see null for it."""
    nodes = [transform("a", 1), transform("b", 2, when="nodes.a > 1"), transform("c", {"b": "{{ nodes.b }}"})]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of(nodes, ["a>b", "b>c"]))
        states = await statuses(runs, run.id)
    assert states == {"a": "completed", "b": "skipped", "c": "completed"}
    assert run.status == "succeeded"


async def test_a_failure_without_a_route_fails_the_run_and_keeps_what_was_done(world: World):
    """The run names the node, the attempt, the cause and a hint; earlier outputs stay readable."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([transform("a", 1), probe("b", fail_times=9)], ["a>b"]))
        nodes = {item.node_id: item for item in await runs.nodes(SUBJECT, run.id)}
    assert run.status == "failed"
    assert run.error is not None
    assert (run.error.code, run.error.node_id, run.error.attempt, run.error.hint) == ("PROBE", "b", 1, "Lower fail_times.")
    assert nodes["a"].output == 1
    assert nodes["b"].error == run.error


async def test_on_error_takes_over_and_sees_the_error(world: World):
    """A failed node with ``on_error`` goes there, and ``nodes.<id>.error`` tells why; its other edges are dead."""
    nodes = [
        probe("try", fail_times=9, policy={"on_error": "sorry"}),
        transform("fine", "fine"),
        transform("sorry", "{{ nodes.try.error.code }}"),
    ]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of(nodes, ["try>fine"]))
        states = await statuses(runs, run.id)
    assert run.status == "succeeded"
    assert run.outputs == "PROBE"
    assert states == {"try": "failed", "sorry": "completed", "fine": "skipped"}


LOOP = spec_of(
    [
        transform("start", 0),
        transform("more", "{{ (nodes.check or 0) + 1 }}"),
        transform("check", "{{ nodes.more }}"),
        transform("after", "{{ nodes.check }}"),
    ],
    [
        "start>more",
        "more>check",
        {"from": "check", "to": "more", "condition": "nodes.check < 4", "loop": {"max_iterations": 9}},
        "check>after",
    ],
)


async def test_a_loop_repeats_its_body_until_the_condition_is_false(world: World):
    """Each round is an iteration of its own in the history; what comes after runs once."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, LOOP)
        history = [(item.node_id, item.iteration) for item in await runs.nodes(SUBJECT, run.id)]
    assert run.outputs == 4
    assert history == [("start", 0), *((node, i) for i in range(4) for node in ("more", "check")), ("after", 0)]


@pytest.mark.parametrize(("on_exhausted", "status", "outputs"), [("fail", "failed", None), ("continue", "succeeded", 3)])
async def test_a_loop_stops_at_its_bound(world: World, on_exhausted: str, status: str, outputs: int | None):
    """At ``max_iterations`` the run fails with LOOP_EXHAUSTED, or goes on by the other edges."""
    edges = [*LOOP["edges"][:2], {**LOOP["edges"][2], "loop": {"max_iterations": 2, "on_exhausted": on_exhausted}}, LOOP["edges"][3]]
    async with world.runtime() as runs:
        run = await run_to_end(runs, {**LOOP, "edges": edges})
    assert run.status == status
    assert run.outputs == outputs
    assert (run.error is not None and run.error.code) == ("LOOP_EXHAUSTED" if status == "failed" else False)


async def test_a_loop_inside_a_loop_begins_anew_in_each_round(world: World):
    """The inner loop's count starts from zero in each iteration of the outer one."""
    nodes = [transform("o", "{{ (nodes.o or 0) + 1 }}"), probe("i", value=1), transform("e", "{{ nodes.o }}")]
    edges = [
        "o>i",
        {"from": "i", "to": "i2", "condition": "true"},
        {"from": "i2", "to": "i", "loop": {"max_iterations": 2, "on_exhausted": "continue"}},
        "i2>e",
        {"from": "e", "to": "o", "condition": "nodes.o < 3", "loop": {"max_iterations": 5}},
    ]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([*nodes, transform("i2", 1)], edges))
    assert run.status == "succeeded", run.error
    assert world.probe.runs["i"] == 9


async def test_a_way_out_of_a_loop_is_taken_when_a_later_round_chooses_it(world: World):
    """A router in the body leaves it unchosen at first; its exit is not dead until the loop is through."""
    nodes = [
        transform("n", "{{ (nodes.n or 0) + 1 }}"),
        {"id": "way", "type": "router", "config": {"routes": [{"when": "nodes.n >= 3", "to": "out"}], "default": "again"}},
        transform("again", 0),
        transform("out", "left after {{ nodes.n }}"),
    ]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of(nodes, ["n>way", {"from": "again", "to": "n", "loop": {"max_iterations": 9}}]))
        states = await statuses(runs, run.id)
    assert run.status == "succeeded", run.error
    assert states["out"] == "completed"
    assert run.outputs == "left after 3"


async def test_too_many_steps_fail_the_run_by_name(world: World):
    """``limits.max_steps`` bounds the node executions of a run."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, {**LOOP, "limits": {"max_steps": 4}})
    assert run.error is not None
    assert (run.error.code, run.error.details) == ("LIMIT_EXCEEDED", {"limit": "max_steps"})


async def test_outputs_that_cannot_be_built_fail_the_run_and_say_which(world: World):
    """A template under ``outputs`` that names what a value does not have is a typed failure."""
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([probe("a", value={"x": 1})], outputs={"y": "{{ nodes.a.y }}"}))
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.code == "EXPRESSION"
