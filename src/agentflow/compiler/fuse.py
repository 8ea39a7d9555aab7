"""Fusing: a chain of pure nodes is one step of the engine.

LangGraph's price is paid per step (about a third of a millisecond), not per node. A chain of pure nodes has nothing to decide between
its members, so they share a step; events, results, errors and recovery stay per node, because those are the journal's.
"""

from collections.abc import Mapping

from agentflow.compiler.plan import Loop, PlanNode, Unit
from agentflow.spec.effects import EffectClass
from agentflow.spec.graph import EdgeKind


def fuse(nodes: Mapping[str, PlanNode], loops: Mapping[int, Loop]) -> tuple[Unit, ...]:
    """Group ``nodes`` into units, in document order of their first nodes."""
    follows = {first.id: second for first in nodes.values() if (second := _next(first, nodes, loops)) is not None}
    inner = {second.id for second in follows.values()}
    return tuple(Unit(_chain(node, follows)) for node in nodes.values() if node.id not in inner)


def _chain(node: PlanNode, follows: Mapping[str, PlanNode]) -> tuple[PlanNode, ...]:
    chain = [node]
    while (following := follows.get(chain[-1].id)) is not None:
        chain.append(following)
    return tuple(chain)


def _next(node: PlanNode, nodes: Mapping[str, PlanNode], loops: Mapping[int, Loop]) -> PlanNode | None:
    """Return the node that may share the step of ``node`` as the one after it, or None."""
    if len(node.outgoing) != 1 or not _fusable(node):
        return None
    edge = node.outgoing[0]
    following = nodes.get(edge.target)
    if following is None or edge.kind is not EdgeKind.EDGE or edge.condition is not None or edge.loop is not None:
        return None
    if len(following.incoming) != 1 or not _fusable(following):
        return None
    if any(following.id == loop.target or (node.id in loop.body) != (following.id in loop.body) for loop in loops.values()):
        return None
    return following


def _fusable(node: PlanNode) -> bool:
    return node.effect is EffectClass.PURE and node.body is None and node.node.on_error is None
