"""From a plan to a LangGraph ``StateGraph``. The only importer of StateGraph.

Each unit becomes a graph node that is reached by ``Command(goto=…)``: it asks ``marks.decide`` what to do, lets the engine run its
nodes, and goes on to what ``marks.onward`` names. The state has one channel per node (its mark) and one per loop (its count), so a
step writes only what it changed. A ``map`` is three graph nodes: one renders the items and sends the lanes (``Send``), one is a lane,
one collects.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypedDict
from weakref import WeakKeyDictionary

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Send

from agentflow.compiler import marks as m
from agentflow.compiler.engine import Advance, Engine, Scope, node_of
from agentflow.compiler.plan import Plan, PlanNode, Unit
from agentflow.compiler.steps import View, finish, loop_channel, mark_channel, run_chain, skip_chain
from agentflow.spec.model import END

ENGINE = "agentflow_engine"
"""Key in ``config["configurable"]`` of the run's engine."""
SCOPE = "agentflow_scope"
"""Key in ``config["configurable"]`` of the scope, set for the bodies of maps."""

LANE, COLLECT = "#lane", "#collect"

Step = Callable[[dict[str, Any], RunnableConfig], Awaitable[Any]]


def build_graph(plan: Plan) -> "StateGraph[Any, Any, Any, Any]":
    """Return the graph of ``plan``, not yet compiled."""
    channels = [mark_channel(node_id) for node_id in plan.nodes] + [loop_channel(edge) for edge in plan.loops]
    schema = _schema("RunState", channels)
    graph: Any = StateGraph(schema)
    units = _units(plan)
    for unit in plan.units:
        head = unit.nodes[0]
        graph.add_node(unit.id, _unit_step(plan, unit, units), input_schema=_reads(plan, unit))
        if head.body is not None:
            graph.add_node(unit.id + LANE, _lane_step(head), input_schema=_LaneInput)
            graph.add_node(unit.id + COLLECT, _collect_step(plan, head, units), input_schema=_reads(plan, unit))
            graph.add_edge(unit.id + LANE, unit.id + COLLECT)
    graph.add_edge(START, plan.start)
    result: StateGraph[Any, Any, Any, Any] = graph
    return result


def compiled(plan: Plan) -> "CompiledStateGraph[Any, Any, Any, Any]":
    """Return the compiled graph of ``plan``, the same one as long as the plan lives; it saves nothing."""
    graph = _compiled.get(plan)
    if graph is None:
        graph = _compiled[plan] = build_graph(plan).compile(checkpointer=False)
    return graph


_compiled: "WeakKeyDictionary[Plan, CompiledStateGraph[Any, Any, Any, Any]]" = WeakKeyDictionary()


def with_saver(
    graph: "CompiledStateGraph[Any, Any, Any, Any]", saver: "BaseCheckpointSaver[Any]"
) -> "CompiledStateGraph[Any, Any, Any, Any]":
    """Return a shallow copy of a compiled graph that saves to ``saver``."""
    return graph.copy({"checkpointer": saver})


async def run_body(plan: Plan, engine: Engine, scope: Scope, max_steps: int) -> None:
    """Run the body of a map for one item. It saves nothing: the journal remembers its nodes.

    The task and the variable keep LangGraph from taking it for a subgraph of the step that it is called in.
    """
    config: Any = {"configurable": {ENGINE: engine, SCOPE: scope}, "recursion_limit": max_steps}

    async def apart() -> None:
        var_child_runnable_config.set(None)
        await compiled(plan).ainvoke({}, config, output_keys=[])

    await asyncio.get_running_loop().create_task(apart())


class _LaneInput(TypedDict):
    iteration: int


def _schema(name: str, channels: list[str]) -> Any:
    make: Any = TypedDict  # the channels are only known now, which type checkers cannot follow
    return make(name, dict.fromkeys(channels, Any))


def _reads(plan: Plan, unit: Unit) -> Any:
    """Return the part of the state that the step of ``unit`` looks at, so that a step's cost does not grow with the graph."""
    looked_at: dict[str, None] = {}
    for node in unit.nodes:
        looked_at[node.id] = None
        for edge in node.incoming:
            looked_at.update(dict.fromkeys((edge.source, *edge.leaves)))
        looked_at.update(dict.fromkeys(edge.target for edge in node.outgoing if edge.target != END))
        for loop in plan.loops_by_source.get(node.id, ()):
            looked_at.update(dict.fromkeys((*loop.body, *loop.exits)))
    channels = [mark_channel(node_id) for node_id in looked_at] + [loop_channel(edge) for edge in plan.loops]
    return _schema("Reads", channels)


def _engine(config: RunnableConfig) -> tuple[Engine, Scope]:
    configurable = config["configurable"]
    engine: Engine = configurable[ENGINE]
    return engine, configurable.get(SCOPE) or engine.root


async def resume(
    graph: "CompiledStateGraph[Any, Any, Any, Any]", config: RunnableConfig, plan: Plan, begun: Iterable[tuple[str, int]]
) -> Any:
    """Return the input that takes a stored graph up where it was left, or an empty state when nothing is stored.

    A graph goes on by itself with the steps that were under way. It knows nothing of a node that waited: that step ended without a word.
    So nodes that have begun, but are neither marked as through nor under way, are reached anew; the engine remembers what they came to.

    Args:
        graph: the compiled graph, with its saver.
        config: names the run.
        plan: its plan.
        begun: keys and iterations of the executions that have begun.
    """
    state = await graph.aget_state(config)
    if state.metadata is None:
        return {}
    units = _units(plan)
    under_way = {name.partition("#")[0] for name in state.next}
    left = [units[node] for node, iteration in _latest(begun).items() if not _is_through(state.values.get(mark_channel(node)), iteration)]
    again = [unit for unit in dict.fromkeys(left) if unit not in under_way]
    return Command(goto=again) if again else None


def _latest(begun: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the last iteration that has begun of each node of the run itself."""
    latest: dict[str, int] = {}
    for key, iteration in begun:
        node = node_of(key)
        latest[node] = max(latest.get(node, 0), iteration)
    return latest


def _is_through(mark: m.Mark | None, iteration: int) -> bool:
    return m.iteration(mark) > iteration or (m.iteration(mark) == iteration and m.is_final(mark))


def _units(plan: Plan) -> Mapping[str, str]:
    """Return the unit of each node."""
    return {node.id: unit.id for unit in plan.units for node in unit.nodes}


def _command(advance: Advance | None, engine: Engine, scope: Scope, units: Mapping[str, str]) -> "Command[Any] | None":
    """Return what a step changes and where to go on, also with steps that had stopped and are through by now; None to stop here."""
    revived = engine.revived() if scope is engine.root else None
    if revived is not None:
        before = advance or Advance({}, [])
        reach = dict.fromkeys([*before.reach, *(units[node] for node in revived.reach)])
        advance = Advance({**before.update, **revived.update}, list(reach))
    return None if advance is None else Command(update=advance.update, goto=advance.reach)


def _unit_step(plan: Plan, unit: Unit, units: Mapping[str, str]) -> Step:
    head = unit.nodes[0]

    async def step(state: dict[str, Any], config: RunnableConfig) -> Any:
        engine, scope = _engine(config)
        view = View(state)
        verdict = m.decide(head, view.marks)
        if verdict is m.Verdict.WAIT:
            return None
        if verdict is m.Verdict.SKIP:
            return _command(skip_chain(plan, unit, view, engine, scope), engine, scope, units)
        if head.body is not None:
            at = view.at(head)
            lanes = await engine.open_map(head, at, scope)
            return Command(goto=[Send(head.id + LANE, {"iteration": at})] * lanes or [head.id + COLLECT])
        return _command(await run_chain(plan, unit, view, engine, scope), engine, scope, units)

    return step


def _lane_step(node: PlanNode) -> Step:
    async def step(state: dict[str, Any], config: RunnableConfig) -> Any:
        engine, scope = _engine(config)
        await engine.run_lane(node, state["iteration"], scope)

    return step


def _collect_step(plan: Plan, node: PlanNode, units: Mapping[str, str]) -> Step:
    async def step(state: dict[str, Any], config: RunnableConfig) -> Any:
        engine, scope = _engine(config)
        view = View(state)
        outcome = await engine.close_map(node, view.at(node), scope, view.loops)
        if outcome is None:
            return _command(None, engine, scope, units)
        view.mark(node, outcome)
        return _command(finish(plan, node, outcome, view), engine, scope, units)

    return step
