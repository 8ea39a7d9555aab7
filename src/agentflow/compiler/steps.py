"""What one step of a plan does, whoever drives it: decide, run the nodes of a unit, say where to go on. Knows no LangGraph."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from agentflow.compiler import marks as m
from agentflow.compiler.engine import Advance, Engine, Outcome, Scope
from agentflow.compiler.plan import Plan, PlanNode, Unit


def mark_channel(node_id: str) -> str:
    """Return the state channel of a node's mark; a channel must not be called like a graph node."""
    return "@" + node_id


def loop_channel(edge: int) -> str:
    """Return the state channel of a loop's count."""
    return f"loop:{edge}"


def marks_of(channels: Mapping[str, Any]) -> dict[str, m.Mark]:
    """Return the marks among the channels of a stored state, by node id."""
    return {name[1:]: mark for name, mark in channels.items() if name[0] == "@" and mark is not None}


class View:
    """The marks and counts that one step sees, and what it changes."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.marks: dict[str, m.Mark | None] = {key[1:]: value for key, value in state.items() if key[0] == "@"}
        self.loops: dict[int, int] = {int(key[5:]): value for key, value in state.items() if key[0] != "@"}
        self._marks_before, self._loops_before = dict(self.marks), dict(self.loops)

    def at(self, node: PlanNode) -> int:
        """Return the iteration that a node is in."""
        return m.iteration(self.marks.get(node.id))

    def mark(self, node: PlanNode, outcome: Outcome) -> None:
        """Mark a node as through."""
        self.marks[node.id] = [outcome.status, self.at(node), list(outcome.taken)]

    def changes(self) -> dict[str, Any]:
        """Return what changed, by channel."""
        changed: dict[str, Any] = {mark_channel(k): v for k, v in self.marks.items() if v is not self._marks_before.get(k)}
        changed.update({loop_channel(k): v for k, v in self.loops.items() if v != self._loops_before.get(k)})
        return changed


async def run_chain(plan: Plan, unit: Unit, view: View, engine: Engine, scope: Scope) -> Advance | None:
    """Run the nodes of a unit one after the other; None when one of them waits, and then the unit is begun again later."""
    for node in unit.nodes:
        through = await engine.run(node, view.at(node), scope, view.loops)
        if through is None:
            if scope is engine.root and not plan.loops:  # going round a loop takes marks that change meanwhile
                engine.stalled_at(node, partial(run_chain, plan, unit, view, engine, scope))
            return None
        view.mark(node, outcome := through)
    return finish(plan, unit.nodes[-1], outcome, view)


def skip_chain(plan: Plan, unit: Unit, view: View, engine: Engine, scope: Scope) -> Advance:
    """Mark the nodes of a unit that lies on a dead branch."""
    for node in unit.nodes:
        at = view.at(node)
        engine.skip(node, at, scope)
        view.marks[node.id] = [m.SKIPPED, at, []]
    return Advance(view.changes(), m.onward(plan, unit.nodes[-1].id, view.marks))


def finish(plan: Plan, node: PlanNode, outcome: Outcome, view: View) -> Advance:
    """Go on behind the last node of a unit, or back to the begin of a loop."""
    if outcome.loop is None:
        return Advance(view.changes(), m.onward(plan, node.id, view.marks))
    loop = plan.loops[outcome.loop]
    view.loops[loop.edge] = view.loops.get(loop.edge, 0) + 1
    view.loops.update(dict.fromkeys(loop.inner, 0))
    m.go_round(loop, view.marks)
    return Advance(view.changes(), [loop.target])


def is_single(plan: Plan) -> bool:
    """Tell whether a plan is one chain of pure nodes: no branch, join, loop or map, so nothing for Pregel to decide or remember."""
    return len(plan.units) == 1 and not plan.loops and plan.units[0].nodes[0].body is None


async def run_single(plan: Plan, engine: Engine, scope: Scope) -> None:
    """Run a plan that ``is_single`` as its only graph node would, without the graph around it.

    A recovery begins at the first node again; the engine remembers those that have run.
    """
    await run_chain(plan, plan.units[0], View({}), engine, scope)
