"""Runs that wait: nothing is held meanwhile, the first answer counts, and they go on from where they were."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from agentflow.infra.db.engine import Database
from agentflow.runtime.records.models import RunRow
from agentflow.runtime.runs.answers import AlreadyAnswered, InterruptExpired, InterruptNotFound, InvalidAnswer
from agentflow.runtime.runs.schemas import RunStart
from tests.runtime.support import SUBJECT, World, probe, spec_of, statuses, transform, types, until

ASK = {"id": "ask", "type": "ask", "config": {"question": "Pay?"}}


async def test_a_run_waits_for_an_answer_and_goes_on_with_it(world: World):
    spec = spec_of([probe("a", value=1), ASK, transform("out", "{{ nodes.ask.decision }}")], ["a>ask", "ask>out"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        waiting = await until(runs, run.id, "run.waiting")
        assert waiting.status == "waiting"
        assert await statuses(runs, run.id) == {"a": "completed", "ask": "waiting"}
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "yes"})
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert (ended.status, ended.outputs) == ("succeeded", "yes")
    assert world.probe.runs == {"a": 1}
    assert seen.count("interrupt.requested") == seen.count("interrupt.answered") == 1
    assert [event for event in seen if event.startswith("node.started")] == ["node.started"] * 3


async def test_a_waiting_run_survives_its_server(world: World):
    spec = spec_of([probe("a", value=1), ASK], ["a>ask"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "run.waiting")
    async with world.runtime() as runs:
        await runs.answer(SUBJECT, run.id, None, {"decision": "ok"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs == {"status": "answered", "decision": "ok"}
    assert world.probe.runs == {"a": 1}


async def test_other_branches_go_on_while_one_waits(world: World):
    nodes = [probe("a"), ASK, probe("b", value=1), probe("c", value=2), transform("join", "{{ nodes.c }}")]
    spec = spec_of(nodes, [{"from": "a", "to": ["ask", "b"]}, "b>c", "c>join", "ask>join"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "run.waiting")
        assert await statuses(runs, run.id) == {"a": "completed", "ask": "waiting", "b": "completed", "c": "completed"}
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "ok"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert (ended.status, ended.outputs) == ("succeeded", 2)
    assert world.probe.runs == {"a": 1, "b": 1, "c": 1}


async def test_several_questions_are_answered_in_any_order(world: World):
    asks = [{"id": name, "type": "ask", "config": {}} for name in ("first", "second", "third")]
    join = {
        "id": "join",
        "type": "transform",
        "config": {"value": "{{ [nodes.first.decision, nodes.second.decision, nodes.third.decision] }}"},
    }
    spec = spec_of(
        [probe("a"), *asks, join], [{"from": "a", "to": ["first", "second", "third"]}, "first>join", "second>join", "third>join"]
    )
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "run.waiting")
        for times, name in enumerate(("third", "first", "second"), start=1):
            await runs.answer(SUBJECT, run.id, name, {"decision": name})
            if times < 3:
                await until(runs, run.id, "run.waiting", times + 1)
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.outputs == ["first", "second", "third"]
    assert seen.count("interrupt.requested") == seen.count("interrupt.answered") == 3


async def test_an_answer_that_comes_before_the_run_is_parked_is_not_lost(world: World):
    """Another branch still runs when the person answers."""
    spec = spec_of([probe("a"), ASK, probe("slow", wait_for="gate")], [{"from": "a", "to": ["ask", "slow"]}])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.probe.arrival("gate").wait()
        await until(runs, run.id, "interrupt.requested")
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "early"})
        world.probe.gate("gate").set()
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.status == "succeeded"
    assert "run.waiting" not in seen


async def test_the_first_of_two_answers_counts(world: World):
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([ASK]), {})
        await until(runs, run.id, "run.waiting")
        answers = [runs.answer(SUBJECT, run.id, "ask", {"decision": str(number)}) for number in range(8)]
        results = await asyncio.gather(*answers, return_exceptions=True)
        ended = await runs.wait(SUBJECT, run.id, 10)
    won = [number for number, result in enumerate(results) if not isinstance(result, BaseException)]
    assert len(won) == 1
    assert all(isinstance(result, AlreadyAnswered) for number, result in enumerate(results) if number not in won)
    assert ended.outputs["decision"] == str(won[0])


async def test_a_question_that_nobody_answers_in_time_expires(world: World):
    spec = spec_of([{"id": "ask", "type": "ask", "config": {"expires_in_s": 0.3}}])
    async with world.runtime(sweep_interval_s=0.1) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        ended = await runs.wait(SUBJECT, run.id, 10)
        with pytest.raises(InterruptExpired):
            await runs.answer(SUBJECT, run.id, "ask", {"decision": "late"})
    assert ended.outputs == {"status": "expired"}


async def test_an_answer_to_nothing_is_refused(world: World):
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([ASK]), {})
        await until(runs, run.id, "run.waiting")
        with pytest.raises(InterruptNotFound):
            await runs.answer(SUBJECT, run.id, "other", {"decision": "ok"})


async def test_items_of_a_map_wait_each_for_their_answer(world: World):
    mapped = {
        "id": "each",
        "type": "map",
        "config": {"items": [1, 2, 3], "node": {"type": "ask", "config": {"question": "item {{ item }}"}}},
    }
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a"), mapped], ["a>each"]), {})
        await until(runs, run.id, "run.waiting")
        for index in (2, 0, 1):
            await runs.answer(SUBJECT, run.id, f"each[{index}]", {"decision": str(index)})
        ended = await runs.wait(SUBJECT, run.id, 10)
        await types(runs, run.id)
    assert ended.status == "succeeded", ended.error
    assert [item["decision"] for item in ended.outputs["results"]] == ["0", "1", "2"]


async def test_graphs_in_a_map_wait_and_finished_items_do_not_run_again(world: World):
    graph = {
        "nodes": [probe("p", value="{{ item }}"), {**ASK, "when": "item == 2"}, transform("t", "{{ nodes.p }}")],
        "edges": [{"from": "p", "to": "ask"}, {"from": "ask", "to": "t"}],
        "start_node": "p",
    }
    spec = spec_of([probe("a"), {"id": "each", "type": "map", "config": {"items": [1, 2, 3], "graph": graph}}], ["a>each"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "run.waiting")
        await runs.answer(SUBJECT, run.id, "each[1]/ask", {"decision": "ok"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.status == "succeeded", ended.error
    assert ended.outputs["results"] == [1, 2, 3]
    assert world.probe.runs == {"a": 1, "each[0]/p": 1, "each[1]/p": 1, "each[2]/p": 1}


async def test_a_failed_item_that_is_kept_stays_failed_when_the_run_is_taken_up_again(world: World):
    graph = {
        "nodes": [probe("p", fail_times="{{ 9 if item == 1 else 0 }}", value="{{ item }}"), {**ASK, "when": "item == 2"}],
        "edges": [{"from": "p", "to": "ask"}],
        "start_node": "p",
    }
    config = {"items": [1, 2], "graph": {**graph, "output": "{{ nodes.p }}"}, "on_item_error": "keep"}
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of([probe("a"), {"id": "each", "type": "map", "config": config}], ["a>each"]), {})
        await until(runs, run.id, "run.waiting")
        await runs.answer(SUBJECT, run.id, "each[1]/ask", {"decision": "ok"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs["results"] == [None, 2]
    assert [item["index"] for item in ended.outputs["errors"]] == [0]


async def test_a_question_in_a_loop_is_asked_in_every_round(world: World):
    nodes = [ASK, probe("n", value="{{ (nodes.n or 0) + 1 }}"), transform("out", "{{ nodes.n }}")]
    edges = ["ask>n", {"from": "n", "to": "ask", "condition": "nodes.n < 3", "loop": {"max_iterations": 9}}, "n>out"]
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec_of(nodes, edges), {})
        for times in (1, 2, 3):
            await until(runs, run.id, "run.waiting", times)
            await runs.answer(SUBJECT, run.id, "ask", {"decision": str(times)})
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.outputs == 3
    assert seen.count("interrupt.requested") == 3


async def test_a_parent_waits_with_its_child_and_holds_nothing(world: World):
    world.workflows.specs["child"] = spec_of([ASK])
    spec = spec_of([{"id": "sub", "type": "subworkflow", "config": {"workflow": "child"}}])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        parent = await until(runs, run.id, "run.waiting")
        assert parent.status == "waiting"
    async with world.runtime() as runs:
        child = await _child(runs, run.id)
        await runs.answer(SUBJECT, child, "ask", {"decision": "ok"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.status == "succeeded", ended.error


async def test_cancelling_a_parent_that_waits_cancels_its_child(world: World):
    world.workflows.specs["child"] = spec_of([ASK])
    spec = spec_of([{"id": "sub", "type": "subworkflow", "config": {"workflow": "child"}}])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "run.waiting")
        child = await _child(runs, run.id)
        ended = await runs.cancel(SUBJECT, run.id)
        child_end = await runs.wait(SUBJECT, child, 10)
        assert await statuses(runs, run.id) == {"sub": "cancelled"}
        with pytest.raises(AlreadyAnswered):
            await runs.answer(SUBJECT, child, "ask", {"decision": "late"})
    assert (ended.status, child_end.status) == ("cancelled", "cancelled")


async def _child(runs, parent_id: str) -> str:
    from agentflow.kit.pagination import PageRequest
    from agentflow.runtime.runs.queries import RunFilter

    found = await runs.list(SUBJECT, RunFilter(parent_run_id=parent_id), PageRequest())
    return found.items[0].id


async def test_time_that_a_run_waited_does_not_count_towards_its_limit(world: World):
    spec = spec_of([ASK, probe("b", value=1)], ["ask>b"], limits={"timeout_s": 60})
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await until(runs, run.id, "run.waiting")
        await _an_hour_passes(world, run.id)
        await runs.answer(SUBJECT, run.id, "ask", {"decision": "ok"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.status == "succeeded"


async def _an_hour_passes(world: World, run_id: str) -> None:
    """Move the times of a parked run into the past."""
    database = Database(world.settings.database)
    async with database.transaction() as session:
        row = (await session.execute(select(RunRow).where(RunRow.id == run_id))).scalar_one()
        row.waiting_since -= timedelta(hours=1)
        row.deadline_at -= timedelta(hours=1)
    await database.close()


async def test_a_long_delay_gives_its_worker_back(world: World):
    spec = spec_of([{"id": "pause", "type": "delay", "config": {"seconds": 0.4}}, probe("b", value=1)], ["pause>b"])
    async with world.runtime(park_after_s=0.1, sweep_interval_s=0.1) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.status == "succeeded"
    assert seen.count("run.waiting") == 1


async def test_step_mode_stops_before_every_node(world: World):
    spec = spec_of([probe("a", value=1), probe("b", value=2), transform("c", "{{ nodes.a + nodes.b }}")], ["a>b", "b>c"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {}, options=RunStart(mode="step"))
        for times, node in enumerate(("a", "b", "c"), start=1):
            await until(runs, run.id, "run.waiting", times)
            assert node not in await statuses(runs, run.id)
            await runs.answer(SUBJECT, run.id, node, {"decision": "continue"})
        ended = await runs.wait(SUBJECT, run.id, 10)
        seen = await types(runs, run.id)
    assert ended.outputs == 3
    assert world.probe.runs == {"a": 1, "b": 1}
    assert seen.count("interrupt.requested") == seen.count("interrupt.answered") == 3


async def test_breakpoints_stop_before_and_behind_the_nodes_that_they_name(world: World):
    nodes = [probe("a", value=1), probe("l", value=2), probe("r", value=3), transform("j", "{{ nodes.l + nodes.r }}")]
    spec = spec_of(nodes, [{"from": "a", "to": ["l", "r"]}, "l>j", "r>j"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {}, options=RunStart(interrupt_before=["j"], interrupt_after=["l"]))
        await until(runs, run.id, "run.waiting")
        assert await statuses(runs, run.id) == {"a": "completed", "l": "completed", "r": "completed"}
        await runs.answer(SUBJECT, run.id, "l", {"decision": "continue"})
        await until(runs, run.id, "run.waiting", 2)
        with pytest.raises(InvalidAnswer):
            await runs.answer(SUBJECT, run.id, "j", {"decision": "maybe"})
        await runs.answer(SUBJECT, run.id, "j", {"decision": "continue"})
        ended = await runs.wait(SUBJECT, run.id, 10)
        await types(runs, run.id)
    assert ended.outputs == 5
    assert world.probe.runs == {"a": 1, "l": 1, "r": 1}


async def test_finish_passes_all_further_breakpoints(world: World):
    spec = spec_of([probe("a", value=1), probe("b", value=2), probe("c", value=3)], ["a>b", "b>c"])
    async with world.runtime() as runs:
        run = await runs.start_inline(SUBJECT, spec, {}, options=RunStart(mode="step"))
        await until(runs, run.id, "run.waiting")
        await runs.answer(SUBJECT, run.id, None, {"decision": "finish"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs == 3


@pytest.mark.parametrize(("decision", "status", "calls"), [("done", "succeeded", 1), ("retry", "succeeded", 2), ("fail", "failed", 1)])
async def test_a_person_settles_an_effect_of_unknown_outcome(world: World, decision: str, status: str, calls: int):
    spec = spec_of([probe("pay", "once_probe", wait_for="gate", value="paid"), transform("out", "{{ nodes.pay }}")], ["pay>out"])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.once.arrival("gate").wait()
    world.once.gate("gate").set()
    async with world.runtime() as runs:
        waiting = await until(runs, run.id, "run.waiting")
        assert waiting.status == "needs_attention"
        await runs.answer(SUBJECT, run.id, "pay", {"decision": decision, "values": "told"})
        ended = await runs.wait(SUBJECT, run.id, 10)
        await types(runs, run.id)
    assert ended.status == status
    assert world.once.runs["pay"] == calls
    assert ended.outputs == {"done": "told", "retry": "paid", "fail": None}[decision]


async def test_an_effect_that_turned_out_not_to_be_repeatable_is_left_to_a_person(world: World):
    """A transactional node says before its effect that it cannot note it."""
    spec = spec_of([probe("pay", "unsure_probe", wait_for="gate", value="paid")])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.unsure.arrival("gate").wait()
    world.unsure.gate("gate").set()
    async with world.runtime() as runs:
        waiting = await until(runs, run.id, "run.waiting")
        assert waiting.status == "needs_attention"
        await runs.answer(SUBJECT, run.id, "pay", {"decision": "retry"})
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs == "paid"
    assert world.unsure.runs["pay"] == 2


async def test_a_transactional_node_is_run_again_after_a_crash(world: World):
    """It noted its effect, so repeating it does nothing twice."""
    spec = spec_of([probe("pay", "unsure_probe", wait_for="gate", value="paid", tokens=1)])
    async with world.runtime(shutdown_grace_s=0) as runs:
        run = await runs.start_inline(SUBJECT, spec, {})
        await world.unsure.arrival("gate").wait()
    world.unsure.gate("gate").set()
    async with world.runtime() as runs:
        ended = await runs.wait(SUBJECT, run.id, 10)
    assert ended.outputs == "paid"
