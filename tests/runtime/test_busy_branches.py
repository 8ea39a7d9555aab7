"""What one branch of a run waits for reaches it at its time, also while other branches are busy."""

from agentflow.kit.pagination import PageRequest
from agentflow.runtime.interrupts.records import InterruptStatus
from agentflow.runtime.runs.inbox_queries import InboxFilter
from agentflow.runtime.runs.interrupt_schemas import SignalSend
from tests.runtime.support import SUBJECT, World, probe, spec_of, statuses, transform, types, until

ASK = {"id": "ask", "type": "ask", "config": {}}
FORK = {"from": "a", "to": ["ask", "slow"]}


def human(**config):
    return {"id": "ask", "type": "human", "config": {"title": "Pay?", **config}}


def busy(asking, *more, edges=()):
    """Return a run with one branch that asks and one that is busy until its gate opens."""
    return spec_of([probe("a"), asking, probe("slow", wait_for="gate", value=1), *more], [FORK, *edges])


async def test_an_answer_is_taken_while_another_branch_is_busy(world: World):
    spec = busy(ASK, transform("join", "{{ [nodes.ask.decision, nodes.slow] }}"), edges=["ask>join", "slow>join"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
        await until(runs, run.id, "interrupt.requested")
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "early"})
        await until(runs, run.id, "interrupt.answered")
        await until(runs, run.id, "node.completed", 2)
        assert await statuses(runs, run.id) == {"a": "completed", "ask": "completed", "slow": "running"}
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert (ended.status, ended.outputs) == ("succeeded", ["early", 1])
    assert world.probe.runs == {"a": 1, "slow": 1}
    assert seen.count("interrupt.answered") == 1
    assert "run.waiting" not in seen


async def test_the_branch_goes_on_with_the_next_step_of_the_others(world: World):
    nodes = [probe("a"), ASK, probe("after"), probe("slow", "once_probe", wait_for="first"), probe("last", "once_probe", wait_for="second")]
    spec = spec_of(nodes, [FORK, "slow>last", {"from": "ask", "to": "after", "condition": "nodes.ask.decision == 'yes'"}])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.once.arrival("first").wait()
        await until(runs, run.id, "interrupt.requested")
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "yes"})
        await until(runs, run.id, "interrupt.answered")
        world.once.gate("first").set()
        await world.once.arrival("second").wait()
        await until(runs, run.id, "node.completed", 4)
        assert (await statuses(runs, run.id))["after"] == "completed"
        world.once.gate("second").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.status == "succeeded"
    assert world.probe.runs == {"a": 1, "after": 1}
    assert world.once.runs == {"slow": 1, "last": 1}


async def test_a_question_expires_at_its_time(world: World):
    spec = busy(human(expires_in_s=0.2, on_expiry={"decision": "reject"}))
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "interrupt.answered")
        assert (await statuses(runs, run.id))["slow"] == "running"
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs["ask"]["decision"] == "reject"


async def test_one_that_expires_without_a_default_ends_the_run_at_its_time(world: World):
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, busy(human(expires_in_s=0.2)), {})
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await statuses(runs, run.id)
    assert ended.error is not None
    assert (ended.status, ended.error.code) == ("failed", "HUMAN_EXPIRED")
    assert seen == {"a": "completed", "ask": "failed", "slow": "cancelled"}


async def test_a_question_is_escalated_at_its_time(world: World):
    spec = busy(human(assignees=["role:clerk"], escalate_after_s=0.2, escalate_to=["role:boss"]))
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "interrupt.escalated")
        (asked,) = (await runs.inbox.list(SUBJECT, InboxFilter((InterruptStatus.OPEN,), (), None, None), PageRequest())).items
        assert asked.assignees == ["role:clerk", "role:boss"]
        assert (await statuses(runs, run.id))["slow"] == "running"
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "approve"})
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.outputs["ask"]["decision"] == "approve"
    assert seen.count("interrupt.escalated") == 1


async def test_an_event_is_taken_while_another_branch_is_busy(world: World):
    wait = {"id": "ask", "type": "wait_for_event", "config": {"event": "paid"}}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, busy(wait), {})
        await world.probe.arrival("gate").wait()
        await until(runs, run.id, "interrupt.requested")
        receipt = await runs.messages.signal(SUBJECT, run.id, SignalSend(name="paid", data=7))
        await until(runs, run.id, "interrupt.answered")
        assert receipt.delivered
        assert (await statuses(runs, run.id))["slow"] == "running"
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs["ask"]["data"] == 7


async def test_a_long_delay_ends_at_its_time(world: World):
    spec = busy({"id": "ask", "type": "delay", "config": {"seconds": 0.3}})
    async with world.runtime(park_after_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "node.completed", 2)
        assert (await statuses(runs, run.id)) == {"a": "completed", "ask": "completed", "slow": "running"}
        world.probe.gate("gate").set()
        assert (await runs.wait(SUBJECT, run.id, 10)).status == "succeeded"


async def test_an_item_of_a_map_is_answered_while_others_are_busy(world: World):
    graph = {
        "nodes": [
            probe("p", value="{{ item }}"),
            {**ASK, "when": "item == 1"},
            probe("slow", wait_for="gate"),
            transform("t", "{{ [nodes.p, nodes.ask] }}"),
        ],
        "edges": [{"from": "p", "to": ["ask", "slow"]}, {"from": "ask", "to": "t"}, {"from": "slow", "to": "t"}],
        "start_node": "p",
    }
    each = {"id": "each", "type": "map", "config": {"items": [1, 2], "graph": graph, "max_concurrency": 2}}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a"), each], ["a>each"]), {})
        await world.probe.arrival("gate").wait()
        await until(runs, run.id, "interrupt.requested")
        await runs.answer(SUBJECT, run.id, "each[0]/ask", {"decision": "one"})
        await until(runs, run.id, "interrupt.answered")
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.status == "succeeded", ended.error
    assert [item[0] for item in ended.outputs["results"]] == [1, 2]
    assert ended.outputs["results"][0][1]["decision"] == "one"
    assert world.probe.runs["each[0]/slow"] == world.probe.runs["each[1]/slow"] == 1
    assert seen.count("interrupt.answered") == 1


async def test_a_breakpoint_is_passed_while_another_branch_is_busy(world: World):
    from agentflow.runtime.runs.schemas import RunOptions

    spec = busy(probe("ask", value=2))
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {}, options=RunOptions(interrupt_before=["ask"]))
        await world.probe.arrival("gate").wait()
        await until(runs, run.id, "interrupt.requested")
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "continue"})
        await until(runs, run.id, "node.completed", 2)
        assert (await statuses(runs, run.id)) == {"a": "completed", "ask": "completed", "slow": "running"}
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs == {"ask": 2, "slow": 1}


async def test_a_run_that_is_stopped_meanwhile_is_taken_up_where_it_stood(world: World):
    spec = busy(ASK, transform("join", "{{ [nodes.ask.decision, nodes.slow] }}"), edges=["ask>join", "slow>join"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
        await until(runs, run.id, "interrupt.requested")
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "yes"})
        await until(runs, run.id, "interrupt.answered")
    world.probe.gate("gate").set()
    async with world.runtime() as runs:
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.outputs == ["yes", 1]
    assert world.probe.runs == {"a": 1, "slow": 2}
    assert seen.count("interrupt.answered") == 1
