"""Looking at the states of a run, and new runs that begin from them."""

import pytest

from agentflow.errors import Invalid
from agentflow.kit.pagination import PageRequest
from agentflow.runtime.runs.checkpoints import CheckpointNotFound
from agentflow.runtime.runs.forks import RunNotRetryable
from agentflow.runtime.runs.schemas import ForkStart, RetryStart, RunStart, StatePatch
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, statuses, transform, types, until

CHAIN = spec_of(
    [probe("a", value=1), probe("b", value="{{ nodes.a + 1 }}"), transform("c", "{{ nodes.b * 10 }}")],
    ["a>b", "b>c"],
)


async def ended(runs, run):
    return await runs.wait(SUBJECT, run.id, 10)


async def test_every_ended_node_is_a_checkpoint_with_its_state(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN)
        points = (await runs.checkpoints.list(SUBJECT, run.id, PageRequest())).items
        states = [(await runs.checkpoints.state(SUBJECT, run.id, point.id)).nodes for point in points]
        begin = await runs.checkpoints.state(SUBJECT, run.id, 0)
        diff = await runs.checkpoints.diff(SUBJECT, run.id, points[0].id, points[2].id)
    assert [point.node_id for point in points] == ["a", "b", "c"]
    assert states == [{"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2, "c": 20}]
    assert begin.nodes == {}
    assert (diff.added, diff.removed, diff.changed) == ({"b": 2, "c": 20}, {}, {})


async def test_checkpoints_are_paged_without_gap_or_repeat(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN)
        first = await runs.checkpoints.list(SUBJECT, run.id, PageRequest(limit=2, count=True))
        second = await runs.checkpoints.list(SUBJECT, run.id, PageRequest(limit=2, cursor=first.next_cursor))
    assert [point.node_id for point in [*first.items, *second.items]] == ["a", "b", "c"]
    assert (first.total, second.next_cursor) == (3, None)


async def test_rounds_of_a_loop_are_checkpoints_of_their_own(world: World):
    edges = [{"from": "n", "to": "n2"}, {"from": "n2", "to": "n", "condition": "nodes.n < 3", "loop": {"max_iterations": 9}}]
    spec = spec_of([probe("n", value="{{ (nodes.n or 0) + 1 }}"), probe("n2", value="{{ nodes.n }}")], edges)
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        points = (await runs.checkpoints.list(SUBJECT, run.id, PageRequest())).items
        states = [(await runs.checkpoints.state(SUBJECT, run.id, point.id)).nodes for point in points]
        diff = await runs.checkpoints.diff(SUBJECT, run.id, points[1].id, points[3].id)
    assert states[-1] == {"n": 3, "n2": 3}
    assert states[1] == {"n": 1, "n2": 1}
    assert diff.changed == {"n": {"from": 1, "to": 2}, "n2": {"from": 1, "to": 2}}


async def test_a_fork_begins_at_a_checkpoint_and_leaves_the_run_as_it_is(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN)
        points = (await runs.checkpoints.list(SUBJECT, run.id, PageRequest())).items
        fork = await ended(runs, await runs.fork(SUBJECT, run.id, ForkStart(checkpoint=points[0].id)))
        events = await runs.events(SUBJECT, fork.id)
        before = await runs.get(SUBJECT, run.id)
    assert (fork.status, fork.outputs) == ("succeeded", 20)
    assert world.probe.runs == {"a": 1, "b": 2}
    assert (fork.origin_run_id, fork.origin_kind, fork.origin_checkpoint) == (run.id, "fork", points[0].id)
    assert events[0].data["origin"]["run_id"] == run.id
    assert before == run


async def test_a_patched_output_is_what_follows_works_with(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN)
        fork = await ended(runs, await runs.fork(SUBJECT, run.id, ForkStart(state=StatePatch(nodes={"a": 5}))))
        state = (await runs.checkpoints.list(SUBJECT, fork.id, PageRequest())).items
        last = await runs.checkpoints.state(SUBJECT, fork.id, state[-1].id)
    assert fork.outputs == 60
    assert world.probe.runs == {"a": 1, "b": 2}
    assert last.nodes == {"a": 5, "b": 6, "c": 60}


async def test_a_patch_can_turn_the_run_to_another_branch(world: World):
    nodes = [
        probe("n", value=1),
        {"id": "r", "type": "router", "config": {"routes": [{"when": "nodes.n > 3", "to": "big"}], "default": "small"}},
        probe("big", value="big"),
        probe("small", value="small"),
        {"id": "j", "type": "aggregator", "config": {"strategy": "first"}},
    ]
    spec = spec_of(nodes, ["n>r", "big>j", "small>j"], outputs={"went": "{{ nodes.j.value }}"})
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        fork = await ended(runs, await runs.fork(SUBJECT, run.id, ForkStart(state=StatePatch(nodes={"n": 9}))))
        assert await statuses(runs, fork.id) == {
            "n": "completed",
            "r": "completed",
            "big": "completed",
            "small": "skipped",
            "j": "completed",
        }
    assert (run.outputs, fork.outputs) == ({"went": "small"}, {"went": "big"})


async def test_a_retry_keeps_what_was_done_and_repeats_what_failed(world: World):
    spec = spec_of(
        [probe("a", value=1), probe("b", value="{{ nodes.a }}", wait_for="gate"), probe("c", value="{{ nodes.b }}")],
        ["a>b", "b>c"],
        limits={"timeout_s": 0.5},
    )
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        assert run.status == "timed_out"
        world.probe.gate("gate").set()
        again = await ended(runs, await runs.retry(SUBJECT, run.id, RetryStart()))
        await types(runs, again.id)
    assert (again.status, again.outputs, again.origin_kind) == ("succeeded", 1, "retry")
    assert world.probe.runs == {"a": 1, "b": 2, "c": 1}


async def test_a_retry_of_a_map_repeats_only_the_items_that_failed(world: World):
    mapped = {
        "id": "each",
        "type": "map",
        "config": {
            "items": [0, 1, 2],
            "max_concurrency": 1,
            "node": {"type": "probe", "config": {"value": "{{ item }}", "fail_times": "{{ inputs.times if item == 1 else 0 }}"}},
        },
    }
    spec = spec_of([probe("a"), mapped], ["a>each"], inputs={"type": "object", "properties": {"times": {"type": "integer"}}})
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec, {"times": 1})
        assert run.status == "failed"
        again = await ended(runs, await runs.retry(SUBJECT, run.id, RetryStart(pinned={})))
        assert again.status == "failed"
    assert world.probe.runs == {"a": 1, "each[0]": 1, "each[1]": 2}


async def test_a_retry_from_a_node_repeats_it_and_all_that_follows(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN)
        again = await ended(runs, await runs.retry(SUBJECT, run.id, RetryStart(from_node="b")))
    assert again.outputs == 20
    assert world.probe.runs == {"a": 1, "b": 2}


async def test_a_run_that_succeeded_or_goes_on_is_not_retried(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN)
        with pytest.raises(RunNotRetryable):
            await runs.retry(SUBJECT, run.id, RetryStart())
        waiting = await runs.start_inline(SUBJECT, spec_of([{"id": "ask", "type": "ask", "config": {}}]), {})
        await until(runs, waiting.id, "run.waiting")
        with pytest.raises(RunNotRetryable):
            await runs.retry(SUBJECT, waiting.id, RetryStart())


async def test_pinned_nodes_are_not_run(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN, options=RunStart(pinned={"b": 7}))
    assert run.outputs == 70
    assert world.probe.runs == {"a": 1}


async def test_what_does_not_exist_is_named(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, CHAIN)
        with pytest.raises(CheckpointNotFound):
            await runs.checkpoints.state(SUBJECT, run.id, 9999)
        with pytest.raises(Invalid, match="no node nowhere"):
            await runs.fork(SUBJECT, run.id, ForkStart(state=StatePatch(nodes={"nowhere": 1})))
        with pytest.raises(Invalid, match="no node nowhere"):
            await runs.retry(SUBJECT, run.id, RetryStart(from_node="nowhere"))
        with pytest.raises(Invalid, match="had not ended"):
            await runs.fork(SUBJECT, run.id, ForkStart(checkpoint=0, state=StatePatch(nodes={"b": 1})))
        with pytest.raises(Invalid, match="no node nowhere to pin"):
            await runs.start_inline(SUBJECT, CHAIN, {}, options=RunStart(pinned={"nowhere": 1}))
