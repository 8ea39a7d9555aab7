"""Undoing what a failed run has done."""

from tests.runtime.support import SUBJECT, World, probe, run_to_end, spec_of, statuses, types, until


def undone(node_id: str, **config):
    return probe(node_id, policy={"compensate": f"un-{node_id}"}, value=node_id, **config)


def undo(node_id: str, **config):
    return probe(f"un-{node_id}", value="{{ nodes." + node_id + " }}", **config)


FAILS = probe("c", fail_times=9)


async def test_a_failed_run_undoes_what_completed_the_last_first(world: World):
    spec = spec_of([undone("a"), undone("b"), FAILS, undo("a"), undo("b")], ["a>b", "b>c"])
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        order = [event.node_id for event in await runs.events(SUBJECT, run.id) if event.type == "node.started"]
        nodes = {item.node_id: item.output for item in await runs.nodes(SUBJECT, run.id)}
        await types(runs, run.id)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.code == "PROBE"
    assert run.error.details["compensated"] == ["un-b[b]", "un-a[a]"]
    assert order == ["a", "b", "c", "un-b[b]", "un-a[a]"]
    assert (nodes["un-b[b]"], nodes["un-a[a]"]) == ("b", "a")


async def test_a_run_that_succeeds_undoes_nothing(world: World):
    spec = spec_of([undone("a"), probe("b", value=1), undo("a")], ["a>b"])
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
        assert await statuses(runs, run.id) == {"a": "completed", "b": "completed", "un-a": "skipped"}
    assert (run.status, run.outputs) == ("succeeded", 1)
    assert world.probe.runs == {"a": 1, "b": 1}


async def test_one_that_cannot_be_undone_does_not_keep_the_others(world: World):
    spec = spec_of([undone("a"), undone("b"), FAILS, undo("a"), undo("b", fail_times=9)], ["a>b", "b>c"])
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
    assert run.error is not None
    assert run.error.details["compensated"] == ["un-a[a]"]
    assert run.error.details["not_compensated"] == ["un-b[b]"]


async def test_every_round_of_a_loop_is_undone(world: World):
    nodes = [undone("a"), probe("n", value="{{ (nodes.n or 0) + 1 }}"), FAILS, undo("a")]
    edges = ["a>n", {"from": "n", "to": "a", "condition": "nodes.n < 3", "loop": {"max_iterations": 5}}, "n>c"]
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec_of(nodes, edges))
    assert run.error is not None
    assert run.error.details["compensated"] == ["un-a[a]"] * 3
    assert world.probe.runs["un-a[a]"] == 3


async def test_a_crash_while_undoing_repeats_nothing_that_is_undone(world: World):
    spec = spec_of([undone("a"), undone("b"), FAILS, undo("a", wait_for="gate"), undo("b")], ["a>b", "b>c"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.status == "failed"
    assert world.probe.runs == {"a": 1, "b": 1, "c": 1, "un-b[b]": 1, "un-a[a]": 2}


async def test_undoing_may_ask_a_person(world: World):
    ask = {"id": "un-a", "type": "ask", "config": {"question": "Undo?"}}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([undone("a"), FAILS, ask], ["a>c"]), {})
        await until(runs, run.id, "run.waiting")
        await runs.answer(SUBJECT, run.id, "un-a[a]", {"decision": "yes"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.status == "failed"
    assert ended.error is not None
    assert ended.error.details["compensated"] == ["un-a[a]"]
