"""What happens when an owner dies: runs come back, finished nodes do not run again, late writes are refused."""

import asyncio

from agentflow.bootstrap import runtime as assembly
from agentflow.runtime.dispatch.inline import InlineDispatcher
from agentflow.runtime.recovery import Recovery
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, statuses, transform


async def test_runs_given_back_at_shutdown_are_resumed_by_the_next_owner(world: World):
    """A graceful stop releases what does not end in time; the next runtime goes on from there."""
    spec = spec_of([probe("a", value=1), probe("b", wait_for="gate", value=2), transform("c", "{{ nodes.a + nodes.b }}")], ["a>b", "b>c"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run.id, 10)
        events = await runs.events(SUBJECT, run.id)
    assert run.status == "succeeded", run.error
    assert run.outputs == 3
    assert world.probe.runs == {"a": 1, "b": 2}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert "run.resumed" in [event.type.value for event in events]


async def test_a_branching_run_resumes_from_its_last_step(world: World):
    """Checkpoints tell which branches are through; only the unfinished node runs again."""
    nodes = [probe("a", value=1), probe("l", value=2), probe("r", wait_for="gate", value=3), transform("j", "{{ nodes.l + nodes.r }}")]
    spec = spec_of(nodes, [{"from": "a", "to": ["l", "r"]}, "l>j", "r>j"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run.id, 10)
    assert run.outputs == 5, run.error
    assert world.probe.runs == {"a": 1, "l": 1, "r": 2}


async def test_a_run_whose_owner_vanished_is_taken_over_when_its_lease_ends(world: World, monkeypatch):
    """An owner that neither renews nor announces its death loses its runs after the lease, and its late writes are refused."""

    async def never(self: Recovery) -> None:
        return None

    async def alive(self: object, owner: str) -> bool:
        return False

    monkeypatch.setattr(assembly.FilePresence, "is_dead", alive)
    monkeypatch.setattr(assembly.AdvisoryPresence, "is_dead", alive)
    spec = spec_of([probe("a", wait_for="gate", value=1), probe("b", value=2)], ["a>b"])
    with monkeypatch.context() as frozen:
        frozen.setattr(Recovery, "start", lambda self: None)
        frozen.setattr(InlineDispatcher, "close", lambda self, grace: asyncio.sleep(0, []))
        async with world.runtime(lease_s=0.5) as zombie:
            run = await zombie.start_inline(SUBJECT, spec, {})
            await world.probe.arrival("gate").wait()
            frozen.undo()
            async with world.runtime(lease_s=5, sweep_interval_s=0.1) as runs:
                while (await runs.get(SUBJECT, run.id)).attempts < 2:
                    await asyncio.wait([asyncio.ensure_future(runs.wait(SUBJECT, run.id, 0.1))])
                world.probe.gate("gate").set()
                ended = await runs.wait(SUBJECT, run.id, 10)
                events = await runs.events(SUBJECT, run.id)
    assert ended.status == "succeeded"
    assert [event.type.value for event in events].count("run.succeeded") == 1
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert world.probe.runs["b"] <= 2


async def test_a_node_that_cannot_be_repeated_is_left_to_a_person(world: World):
    """A ``once`` node that was under way when its owner died is not run again; the run needs attention."""
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("pay", "once_probe", wait_for="gate")]), {})
        await world.once.arrival("gate").wait()
    async with world.runtime() as runs:
        async for event in runs.follow(SUBJECT, run.id):
            if event.type == "run.waiting":
                break
        run = await runs.get(SUBJECT, run.id)
        cancelled = await runs.cancel(SUBJECT, run.id)
    assert run.status == "needs_attention"
    assert run.error is not None
    assert run.error.code == "UNKNOWN_OUTCOME"
    assert world.once.runs["pay"] == 1
    assert cancelled.status == "cancelled"


async def test_a_run_that_kills_its_owner_again_and_again_is_given_up(world: World):
    """After ``max_attempts`` owners the run fails with its cause instead of taking down the next one."""
    spec = spec_of([probe("a", wait_for="gate")])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
    async with world.runtime(max_attempts=1) as runs:
        run = await runs.wait(SUBJECT, run.id, 10)
    assert run.error is not None
    assert run.error.code == "TOO_MANY_ATTEMPTS"


async def test_finished_loop_rounds_do_not_run_again(world: World):
    """A recovery in the third round of a loop keeps the first two."""
    nodes = [
        probe("n", value="{{ (nodes.n or 0) + 1 }}"),
        probe("w", wait_for="{{ 'gate' if nodes.n == 3 else none }}"),
        transform("o", "{{ nodes.n }}"),
    ]
    edges = ["n>w", {"from": "w", "to": "n", "condition": "nodes.n < 4", "loop": {"max_iterations": 9}}, "w>o"]
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of(nodes, edges), {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run.id, 10)
    assert run.outputs == 4, run.error
    assert world.probe.runs == {"n": 4, "w": 5}


async def test_a_finished_map_item_does_not_run_again(world: World):
    """A recovery within a map repeats only the items that were under way."""
    body = {"type": "probe", "config": {"value": "{{ item }}", "wait_for": "{{ 'gate' if item == 2 else none }}"}}
    node = {"id": "each", "type": "map", "config": {"items": [0, 1, 2, 3], "node": body, "max_concurrency": 1}}
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([node]), {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run.id, 10)
    assert run.outputs == {"results": [0, 1, 2, 3], "errors": []}, run.error
    assert world.probe.runs == {"each[0]": 1, "each[1]": 1, "each[2]": 2, "each[3]": 1}


async def test_a_child_run_is_found_again_by_its_recovered_parent(world: World):
    """A parent that comes back waits for the child it had started, and starts no second one."""
    world.workflows.specs["child"] = spec_of([probe("c", wait_for="gate", value="from child")])
    node = {"id": "call", "type": "subworkflow", "config": {"workflow": "child", "version": 1, "inputs": {}}}
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([node]), {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run.id, 10)
        states = await statuses(runs, run.id)
    assert states == {"call": "completed"}
    assert run.outputs["outputs"] == "from child"


async def test_a_failed_child_fails_the_node_with_its_error(world: World):
    """The parent's error carries what went wrong in the child."""
    world.workflows.specs["child"] = spec_of([probe("c", fail_times=9)])
    node = {"id": "call", "type": "subworkflow", "config": {"workflow": "child", "version": "latest", "inputs": {}}}
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([node]))
    assert run.error is not None
    assert run.error.code == "SUBWORKFLOW_FAILED"
