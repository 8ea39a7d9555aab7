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


async def test_a_cancelled_run_undoes_what_it_had_done(world: World):
    spec = spec_of([undone("a"), undone("b"), probe("c", wait_for="gate"), undo("a"), undo("b")], ["a>b", "b>c"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
        ended = await runs.cancel(SUBJECT, run.id)
        events = await runs.events(SUBJECT, run.id)
        await types(runs, run.id)
    assert ended.status == "cancelled"
    assert ended.error is not None
    assert ended.error.code == "CANCELLED"
    assert ended.error.details == {"compensated": ["un-b[b]", "un-a[a]"], "not_compensated": []}
    (told,) = [event.data for event in events if event.type == "run.compensating"]
    assert told == {"reason": "cancelled", "nodes": ["un-b[b]", "un-a[a]"]}
    assert [event.node_id for event in events if event.type == "node.completed"] == ["a", "b", "un-b[b]", "un-a[a]"]


async def test_a_cancelled_run_that_had_done_nothing_shows_no_error(world: World):
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("c", wait_for="gate"), undone("a"), undo("a")], ["c>a"]), {})
        await world.probe.arrival("gate").wait()
        ended = await runs.cancel(SUBJECT, run.id)
        assert "run.compensating" not in await types(runs, run.id)
    assert (ended.status, ended.error) == ("cancelled", None)


async def test_a_run_out_of_time_undoes_what_it_had_done(world: World):
    spec = spec_of([undone("a"), probe("c", wait_for="gate"), undo("a")], ["a>c"], limits={"timeout_s": 1.0})
    async with world.runtime() as runs:
        ended = await run_to_end(runs, spec)
    assert ended.status == "timed_out"
    assert ended.error is not None
    assert (ended.error.code, ended.error.details["compensated"]) == ("TIMEOUT", ["un-a[a]"])


async def test_a_waiting_run_that_is_cancelled_is_undone(world: World):
    ask = {"id": "ask", "type": "ask", "config": {}}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([undone("a"), ask, undo("a")], ["a>ask"]), {})
        await until(runs, run.id, "run.waiting")
        ended = await runs.cancel(SUBJECT, run.id)
    assert ended.status == "cancelled"
    assert ended.error is not None
    assert ended.error.details["compensated"] == ["un-a[a]"]


async def test_undoing_what_was_stopped_has_its_time(world: World):
    spec = spec_of([undone("a"), undone("b"), probe("c", wait_for="gate"), undo("a"), undo("b", wait_for="never")], ["a>b", "b>c"])
    async with world.runtime(compensation_timeout_s=0.2) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
        await runs.cancel(SUBJECT, run.id)
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.status == "cancelled"
    assert ended.error is not None
    assert ended.error.details == {"compensated": [], "not_compensated": ["un-b[b]", "un-a[a]"]}
    assert "un-b[b], un-a[a]" in ended.error.message


async def test_an_effect_that_was_cut_off_is_named(world: World):
    pay = probe("pay", "once_probe", policy={"compensate": "un-pay"}, wait_for="gate")
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a"), pay, undo("pay")], ["a>pay"]), {})
        await world.once.arrival("gate").wait()
        ended = await runs.cancel(SUBJECT, run.id)
    assert ended.error is not None
    assert ended.error.details == {"compensated": [], "not_compensated": [], "interrupted": ["pay"]}
    assert world.probe.runs == {"a": 1}


async def test_a_crash_while_a_cancelled_run_is_undone_repeats_nothing_that_is_undone(world: World):
    nodes = [undone("a"), undone("b"), probe("c", wait_for="c"), undo("a", wait_for="gate"), undo("b")]
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec_of(nodes, ["a>b", "b>c"]), {})
        await world.probe.arrival("c").wait()
        await runs.cancel(SUBJECT, run.id)
        await world.probe.arrival("gate").wait()
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.status == "cancelled"
    assert ended.error is not None
    assert ended.error.details["compensated"] == ["un-b[b]", "un-a[a]"]
    assert world.probe.runs == {"a": 1, "b": 1, "c": 1, "un-b[b]": 1, "un-a[a]": 2}
    assert seen.count("run.compensating") == 1


async def test_a_run_that_made_too_many_steps_is_undone_all_the_same(world: World):
    spec = spec_of([undone("a"), probe("b"), probe("c"), undo("a")], ["a>b", "b>c"], limits={"max_steps": 2})
    async with world.runtime() as runs:
        run = await run_to_end(runs, spec)
    assert run.error is not None
    assert (run.error.code, run.error.details["compensated"]) == ("LIMIT_EXCEEDED", ["un-a[a]"])
