"""What happens next, as pure functions over marks.

A *mark* is what the engine keeps of a node: where it stands, in which iteration, and which ways it took. Marks are plain JSON lists
``[status, iteration, taken]``, because they are the LangGraph state and so are stored with every checkpoint; outputs are not in them.

A branch that is not taken is *dead*: its nodes are reached all the same and mark themselves skipped, up to the joins where a living
branch arrives. That is how a join waits for every branch that will arrive and for no other (dead-path elimination, BPEL 1.1 section
12.5.2).
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

from agentflow.compiler.plan import Loop, Plan, PlanEdge, PlanNode
from agentflow.spec.model import END

Mark: TypeAlias = list[Any]
Marks: TypeAlias = Mapping[str, Mark | None]

COMPLETED, SKIPPED, FAILED = "c", "s", "f"
PENDING, LOOPED = "p", "l"
FINAL = frozenset({COMPLETED, SKIPPED, FAILED})


class Verdict(Enum):
    """What a node that was reached does now."""

    RUN = "run"
    SKIP = "skip"
    WAIT = "wait"


def iteration(mark: Mark | None) -> int:
    """Return the iteration a mark belongs to, from 0."""
    return mark[1] if mark else 0


def is_final(mark: Mark | None) -> bool:
    """Tell whether the node is through, in its current iteration."""
    return mark is not None and mark[0] in FINAL


def taken(edge: PlanEdge, marks: Marks) -> bool | None:
    """Tell whether a way was taken; None while that is open."""
    mark = marks.get(edge.source)
    if mark is None or mark[0] not in FINAL:
        return None
    if edge.index in mark[2]:
        return True
    if any(not is_final(marks.get(source)) for source in edge.leaves):
        return None
    return False


def decide(node: PlanNode, marks: Marks) -> Verdict:
    """Decide what a node does when something reached it."""
    own = marks.get(node.id)
    if own is not None and own[0] == LOOPED:
        return Verdict.RUN
    if is_final(own):
        return Verdict.WAIT
    if not node.incoming:
        return Verdict.RUN
    ways = [taken(edge, marks) for edge in node.incoming]
    if None in ways:
        return Verdict.WAIT
    return Verdict.RUN if True in ways else Verdict.SKIP


def onward(plan: Plan, node_id: str, marks: Marks) -> list[str]:
    """Return the nodes whose fate may be settled now that ``node_id`` is through: they are reached next, and decide for themselves.

    These are the targets of its ways, taken or not, and the exits of the loops that it ends.
    """
    touched = [edge.target for edge in plan.nodes[node_id].outgoing if edge.loop is None and edge.target != END]
    for loop in plan.loops_by_source.get(node_id, ()):
        touched.extend(loop.exits)
    return [target for target in dict.fromkeys(touched) if not is_final(marks.get(target))]


def go_round(loop: Loop, marks: dict[str, Mark | None]) -> None:
    """Mark the body of a loop for another iteration."""
    for node_id in loop.body:
        again = LOOPED if node_id == loop.target else PENDING
        marks[node_id] = [again, iteration(marks.get(node_id)) + 1, []]
