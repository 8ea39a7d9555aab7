"""Runs that somebody pauses: what is under way ends, nothing more begins, and they go on from there."""

import pytest

from agentflow.runtime.runs.messages import RunHasEnded
from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, statuses, transform, types, until

CHAIN = [probe("a", wait_for="gate", value=1), probe("b", value=2), transform("out", "{{ nodes.b }}")]
WAYS = ["a>b", "b>out"]


async def test_a_paused_run_ends_what_is_under_way_and_waits(world: World):
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of(CHAIN, WAYS), {})
        await world.probe.arrival("gate").wait()
        paused = await runs.pausing.pause(SUBJECT, run.id)
        assert paused.paused_at is not None
        assert paused.paused_by == SUBJECT.user_id
        assert (await runs.pausing.pause(SUBJECT, run.id)).paused_at == paused.paused_at
        world.probe.gate("gate").set()
        waiting = await until(runs, run.id, "run.waiting")
        assert waiting.status == "waiting"
        assert await statuses(runs, run.id) == {"a": "completed"}
        (told,) = [event.data for event in await runs.events(SUBJECT, run.id) if event.type == "run.waiting"]
        assert (told["reason"], told["by"]) == ("paused", SUBJECT.user_id)
        resumed = await runs.pausing.resume(SUBJECT, run.id)
        assert resumed.paused_at is None
        ended = await runs.wait(SUBJECT, run.id, 10)
        await types(runs, run.id)
    assert (ended.status, ended.outputs) == ("succeeded", 2)
    assert world.probe.runs == {"a": 1, "b": 1}


async def test_an_answer_to_a_paused_run_is_kept_until_it_goes_on(world: World):
    ask = {"id": "ask", "type": "ask", "config": {}}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([ask]), {})
        await until(runs, run.id, "run.waiting")
        await runs.pausing.pause(SUBJECT, run.id)
        await until(runs, run.id, "run.waiting", 2)
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "yes"})
        await until(runs, run.id, "run.waiting", 3)
        assert await statuses(runs, run.id) == {"ask": "waiting"}
        await runs.pausing.resume(SUBJECT, run.id)
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs["decision"] == "yes"


async def test_a_paused_run_stays_paused_over_a_restart(world: World):
    ask = {"id": "ask", "type": "ask", "config": {"expires_in_s": 0.3}}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([ask]), {})
        await until(runs, run.id, "run.waiting")
        await runs.pausing.pause(SUBJECT, run.id)
        await until(runs, run.id, "run.waiting", 2)
    async with world.runtime() as runs:
        assert (await runs.get(SUBJECT, run.id)).paused_at is not None
        await runs.pausing.resume(SUBJECT, run.id)
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs == {"status": "expired"}


async def test_items_of_a_map_that_have_not_begun_wait(world: World):
    each = {
        "id": "each",
        "type": "map",
        "config": {
            "items": [0, 1, 2],
            "max_concurrency": 1,
            "node": {"type": "probe", "config": {"value": "{{ item }}", "wait_for": "gate"}},
        },
    }
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a"), each], ["a>each"]), {})
        await world.probe.arrival("gate").wait()
        await runs.pausing.pause(SUBJECT, run.id)
        world.probe.gate("gate").set()
        await until(runs, run.id, "run.waiting")
        await runs.pausing.resume(SUBJECT, run.id)
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs["results"] == [0, 1, 2]
    assert all(world.probe.runs[f"each[{index}]"] == 1 for index in range(3))


async def test_children_are_paused_with_their_parent(world: World):
    world.workflows.specs["child"] = spec_of([probe("c", wait_for="gate", value=1), probe("d", value=2)], ["c>d"])
    call = {"id": "call", "type": "subworkflow", "config": {"workflow": "child", "version": "latest", "inputs": {}}}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([call]), {})
        await world.probe.arrival("gate").wait()
        await runs.pausing.pause(SUBJECT, run.id)
        world.probe.gate("gate").set()
        await until(runs, run.id, "run.waiting")
        assert world.probe.runs == {"c": 1}
        await runs.pausing.resume(SUBJECT, run.id)
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert (ended.status, ended.outputs["outputs"]) == ("succeeded", 2)
    assert world.probe.runs == {"c": 1, "d": 1}


async def test_a_paused_run_can_be_cancelled(world: World):
    ask = {"id": "ask", "type": "ask", "config": {}}
    undone = probe("a", policy={"compensate": "un-a"})
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([undone, ask, probe("un-a")], ["a>ask"]), {})
        await until(runs, run.id, "run.waiting")
        await runs.pausing.pause(SUBJECT, run.id)
        await until(runs, run.id, "run.waiting", 2)
        ended = await runs.cancel(SUBJECT, run.id)
    assert ended.status == "cancelled"
    assert world.probe.runs == {"a": 1, "un-a[a]": 1}


async def test_a_run_that_has_ended_is_neither_paused_nor_resumed(world: World):
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of([probe("a")]))
        with pytest.raises(RunHasEnded):
            await runs.pausing.pause(SUBJECT, run.id)
        with pytest.raises(RunHasEnded):
            await runs.pausing.resume(SUBJECT, run.id)
