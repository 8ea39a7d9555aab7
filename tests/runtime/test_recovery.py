"""What happens when an owner dies: runs come back, finished nodes do not run again, late writes are refused."""

import asyncio
from itertools import pairwise
from typing import Any
from unittest.mock import AsyncMock

import pytest

from agentflow.bootstrap import runtime as assembly
from agentflow.kit.pagination import PageRequest
from agentflow.runtime.dispatch.pool import WorkerPool
from agentflow.runtime.queue.leases import Leases
from agentflow.runtime.recovery import Recovery
from agentflow.runtime.runs.queries import RunFilter
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
        frozen.setattr(WorkerPool, "close", lambda self, grace: asyncio.sleep(0))
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


async def _die_in(
    world: World, monkeypatch: pytest.MonkeyPatch, gate: str, run_id: str | None = None, spec: Any = None, **changed: Any
) -> str:
    """Let a process begin a run (or take it up) and die of it at a gate: it gives nothing back. Returns the run's id."""

    async def nothing(self: Leases, run_ids: set[str] | None = None) -> None:
        return None

    world.probe.arrival(gate).clear()
    with monkeypatch.context() as death:
        death.setattr(Leases, "release", nothing)
        async with world.runtime(shutdown_grace_s=0, **changed) as runs:
            if run_id is None:
                run_id = (await runs.start_inline(SUBJECT, spec or spec_of([probe("a", wait_for=gate)]), {})).id
            await world.probe.arrival(gate).wait()
    return run_id


async def test_a_run_that_kills_its_owner_again_and_again_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch):
    """After ``max_attempts`` owners the run fails with its cause instead of taking down the next one, and is found in the dead letters."""
    run_id = await _die_in(world, monkeypatch, "gate")
    await _die_in(world, monkeypatch, "gate", run_id)
    await _die_in(world, monkeypatch, "gate", run_id)
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run_id, 10)
        dead = await runs.list(SUBJECT, RunFilter(dead_letter=True), PageRequest())
        others = await runs.list(SUBJECT, RunFilter(dead_letter=False), PageRequest())
    assert run.error is not None
    assert run.error.code == "TOO_MANY_ATTEMPTS"
    assert run.error.details == {"attempts": 3, "nodes": ["a"]}
    assert world.probe.runs == {"a": 3}
    assert [item.id for item in dead.items] == [run_id]
    assert others.items == []


async def _die_often(world: World, monkeypatch: pytest.MonkeyPatch, spec: Any, deaths: int) -> str:
    """Start a run and let owners die of it at the gate."""
    run_id = await _die_in(world, monkeypatch, "gate", spec=spec)
    for _ in range(deaths - 1):
        await _die_in(world, monkeypatch, "gate", run_id)
    return run_id


async def test_what_a_run_has_done_is_undone_when_its_workers_die_of_it(world: World, monkeypatch: pytest.MonkeyPatch):
    """The node that killed them counts as failed; the effects before it are compensated, by an owner that lives."""
    nodes = [probe("a", policy={"compensate": "un-a"}), probe("b", wait_for="gate"), probe("un-a")]
    run_id = await _die_often(world, monkeypatch, spec_of(nodes, ["a>b"]), deaths=4)  # the first one got on
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run_id, 10)
        dead = await runs.list(SUBJECT, RunFilter(dead_letter=True), PageRequest())
        statuses = {node.node_id: node.status for node in await runs.nodes(SUBJECT, run_id)}
    assert run.error is not None
    assert (run.error.code, run.error.node_id) == ("TOO_MANY_ATTEMPTS", "b")
    assert run.error.details["compensated"] == ["un-a[a]"]
    assert [item.id for item in dead.items] == [run_id]
    assert statuses == {"a": "completed", "b": "failed", "un-a": "skipped", "un-a[a]": "completed"}
    assert world.probe.runs == {"a": 1, "b": 4, "un-a[a]": 1}


async def test_a_run_goes_another_way_round_a_node_that_kills_its_workers(world: World, monkeypatch: pytest.MonkeyPatch):
    """``on_error`` holds for it as for any other failure; such a run is no dead letter."""
    nodes = [probe("b", policy={"on_error": "other"}, wait_for="gate"), probe("other", value="got round")]
    run_id = await _die_often(world, monkeypatch, spec_of(nodes, []), deaths=3)
    async with world.runtime() as runs:
        run = await runs.wait(SUBJECT, run_id, 10)
        dead = await runs.list(SUBJECT, RunFilter(dead_letter=True), PageRequest())
    assert (run.status, run.outputs) == ("succeeded", "got round")
    assert dead.items == []


async def test_a_run_that_gets_on_is_not_given_up_however_often_its_owners_die(world: World, monkeypatch: pytest.MonkeyPatch):
    """A node that finished between two deaths begins the count again."""
    nodes = [probe(name, wait_for=name, value=name) for name in "abcde"]
    spec = spec_of(nodes, ["a>b", "b>c", "c>d", "d>e"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run_id = (await runs.start_inline(SUBJECT, spec, {})).id
        await world.probe.arrival("a").wait()
    for name, following in pairwise("abcde"):
        world.probe.gate(name).set()
        await _die_in(world, monkeypatch, following, run_id, max_attempts=2)
    world.probe.gate("e").set()
    async with world.runtime(max_attempts=2) as runs:
        run = await runs.wait(SUBJECT, run_id, 10)
    assert run.status == "succeeded"
    assert run.attempts == 6


async def test_a_graceful_hand_over_does_not_count_as_a_death(world: World):
    """Restarts in good order, however many, do not make a run a dead letter."""
    async with world.runtime(shutdown_grace_s=0) as runs:
        run_id = (await runs.start_inline(SUBJECT, spec_of([probe("a", wait_for="gate")]), {})).id
        await world.probe.arrival("gate").wait()
    for _ in range(3):
        world.probe.arrival("gate").clear()
        async with world.runtime(shutdown_grace_s=0, max_attempts=1):
            await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime(max_attempts=1) as runs:
        run = await runs.wait(SUBJECT, run_id, 10)
    assert run.status == "succeeded"


async def test_before_its_last_try_a_run_has_no_other_suspect_beside_it(world: World, monkeypatch: pytest.MonkeyPatch):
    """Runs that died together are told apart: the culprit takes nobody along on its last try."""
    spec = spec_of([probe("a", wait_for="{{ inputs.gate }}")])
    with monkeypatch.context() as death:
        death.setattr(Leases, "release", AsyncMock())
        async with world.runtime(shutdown_grace_s=0) as runs:
            for name in ("x", "y"):
                await runs.start_inline(SUBJECT, spec, {"gate": name})
                await world.probe.arrival(name).wait()
        for name in ("x", "y"):
            world.probe.arrival(name).clear()
        async with world.runtime(shutdown_grace_s=0):
            await asyncio.gather(*[world.probe.arrival(name).wait() for name in ("x", "y")])
    for name in ("x", "y"):
        world.probe.arrival(name).clear()
    async with world.runtime() as runs:
        await world.probe.arrival("x").wait()
        fresh = await run_to_end(runs, spec_of([probe("b")]))
        assert not world.probe.arrival("y").is_set()
        world.probe.gate("x").set()
        await world.probe.arrival("y").wait()
        world.probe.gate("y").set()
        ended = [await runs.wait(SUBJECT, run.id, 10) for run in (await runs.list(SUBJECT, RunFilter(), PageRequest())).items]
    assert fresh.status == "succeeded"
    assert [run.status for run in ended] == ["succeeded"] * 3


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


async def test_a_child_does_not_wait_for_the_place_that_its_parent_holds(world: World):
    """After a restart the parent comes back first and takes the only place; the child runs beside it."""
    world.workflows.specs["child"] = spec_of([probe("c", wait_for="gate", value="from child")])
    node = {"id": "call", "type": "subworkflow", "config": {"workflow": "child", "version": 1, "inputs": {}}}
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of([node]), {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime(max_concurrent_runs=1, sweep_interval_s=0.1) as runs:
        run = await runs.wait(SUBJECT, run.id, 10)
    assert run.status == "succeeded", run.error


async def test_a_failed_child_fails_the_node_with_its_error(world: World):
    """The parent's error carries what went wrong in the child."""
    world.workflows.specs["child"] = spec_of([probe("c", fail_times=9)])
    node = {"id": "call", "type": "subworkflow", "config": {"workflow": "child", "version": "latest", "inputs": {}}}
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([node]))
    assert run.error is not None
    assert run.error.code == "SUBWORKFLOW_FAILED"
