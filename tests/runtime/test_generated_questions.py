"""Any graph of questions, answered in any order, expired and restarted in between, comes to what a plain walk predicts."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentflow.config.settings import Settings
from agentflow.kit.pagination import PageRequest
from agentflow.runtime.runs.answers import AlreadyAnswered, InterruptExpired
from agentflow.runtime.runs.inbox_queries import InboxFilter
from agentflow.runtime.runs.schemas import Run
from agentflow.runtime.runs.service import RunService
from tests.runtime.support import SUBJECT, ShiftedClock, World, transform, types

HOUR = 3_600


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, str]]:
    """Draw an acyclic graph of up to six questions, some of which nobody will answer, and the decision that each comes to."""
    names = [f"h{index}" for index in range(draw(st.integers(1, 6)))]
    decisions = {name: draw(st.sampled_from(["approve", "reject", "expire"])) for name in names}
    nodes, edges = [transform("begin", 0)], []
    for index, name in enumerate(names):
        expiry = {"expires_in_s": HOUR, "on_expiry": {"decision": "reject"}} if decisions[name] == "expire" else {}
        nodes.append({"id": name, "type": "human", "config": {"title": name, **expiry}})
        sources = draw(st.lists(st.sampled_from(names[:index]), max_size=2, unique=True)) if index else []
        for source in sources:
            condition = draw(st.sampled_from([{}, {"condition": f"nodes.{source}.decision == 'approve'"}]))
            edges.append({"from": source, "to": name, **condition})
        if not sources:
            edges.append({"from": "begin", "to": name})
    outputs = {name: f"{{{{ nodes.{name}.decision }}}}" for name in names}
    spec = {"spec_version": "1", "name": "questions", "start_node": "begin", "nodes": nodes, "edges": edges, "outputs": outputs}
    return spec, decisions


def predicted(spec: dict[str, Any], decisions: dict[str, str]) -> dict[str, str | None]:
    """Walk the questions in order: each is asked when a way leads to it, and comes to its decision."""
    result: dict[str, str | None] = {}
    for name, decision in decisions.items():
        ways = [edge for edge in spec["edges"] if edge["to"] == name]
        asked = any(_taken(edge, result) for edge in ways)
        result[name] = ("reject" if decision == "expire" else decision) if asked else None
    return result


def _taken(edge: dict[str, Any], result: dict[str, str | None]) -> bool:
    if edge["from"] == "begin":
        return True
    decision = result[edge["from"]]
    return decision == "approve" or (decision is not None and "condition" not in edge)


class Theatre:
    """A runtime that can be restarted, on a clock that can be set forward."""

    def __init__(self, world: World, clock: ShiftedClock) -> None:
        self.world, self.clock = world, clock
        self.runs: RunService
        self._open: AbstractAsyncContextManager[RunService] | None = None

    async def restart(self) -> None:
        await self.close()
        self._open = self.world.runtime(sweep_interval_s=0.05, shutdown_grace_s=0)
        self.runs = await self._open.__aenter__()

    async def close(self) -> None:
        if self._open is not None:
            await self._open.__aexit__(None, None, None)

    async def play(self, spec: dict[str, Any], decisions: dict[str, str], choices: Random) -> Run:
        """Run a graph to its end, doing at each turn what is chosen: answer one that is open, let time pass, restart."""
        run = await self.runs.start_inline(SUBJECT, spec, {})
        while not (run := await self.runs.wait(SUBJECT, run.id, 10, or_parked=True)).status.is_terminal:
            page = await self.runs.inbox.list(SUBJECT, InboxFilter(run_id=run.id), PageRequest(limit=200))
            waiting = [item.node_id for item in page.items if item.status == "open"]
            answerable = sorted(name for name in waiting if decisions[name] != "expire")
            act = choices.choice([*(["answer"] * 3 if answerable else ["expire"]), "expire", "restart"])
            if act == "answer":
                await self._answer(run.id, choices.choice(answerable), decisions)
            elif act == "expire":
                self.clock.ahead += timedelta(seconds=HOUR + 1)
            else:
                await self.restart()
        return run

    async def _answer(self, run_id: str, name: str, decisions: dict[str, str]) -> None:
        try:
            await self.runs.answer(SUBJECT, run_id, name, {"decision": decisions[name]})
        except (AlreadyAnswered, InterruptExpired) as error:
            raise AssertionError(f"{name} was open and had no expiry") from error


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Theatre]]:
    """Give an event loop with one theatre on SQLite for all examples."""
    from tests.databases import create_tables

    folder: Path = tmp_path_factory.mktemp("questions")
    world = World(Settings(data_dir=folder))
    world.clock = clock = ShiftedClock()
    made = Theatre(world, clock)
    with asyncio.Runner() as runner:
        runner.run(create_tables(world.settings.database))
        runner.run(made.restart())
        yield runner, made
        runner.run(made.close())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(graph=graphs(), seed=st.integers(0, 2**32))
def test_questions_in_any_order_come_to_the_same_result(theatre: tuple[asyncio.Runner, Theatre], graph: Any, seed: int):
    """Each is asked once and settled once, whatever happens in between."""
    runner, made = theatre
    spec, decisions = graph
    # Not drawn one by one: which questions are open depends on the moment, and Hypothesis takes other choices after equal draws for a fault.
    run = runner.run(made.play(spec, decisions, Random(seed)))
    assert run.status == "succeeded", run.error
    expected = predicted(spec, decisions)
    assert run.outputs == expected
    seen = runner.run(types(made.runs, run.id))
    asked = sum(decision is not None for decision in expected.values())
    assert seen.count("interrupt.requested") == seen.count("interrupt.answered") == asked
