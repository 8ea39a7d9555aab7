"""NO_START_NODE and UNKNOWN_START_NODE: where a run begins."""

from collections.abc import Iterable

from agentflow.spec.draft import Draft, Graph
from agentflow.spec.problems import Code, Problem
from agentflow.spec.rules.names import suggestion


def starts(draft: Draft) -> Iterable[Problem]:
    """Check where a graph begins: at its start node or, without one, at the only node that nothing leads to."""
    for graph in draft.graphs:
        problem = _unknown(graph) if graph.start_node is not None else _missing(graph)
        if problem is not None:
            yield problem


def _unknown(graph: Graph) -> Problem | None:
    name = graph.start_node
    assert name is not None  # noqa: S101 - asked for named starts only
    if name in graph.by_id or name in graph.unreadable_ids:
        return None
    path = graph.at("/start_node")
    return Problem(Code.UNKNOWN_START_NODE, f"There is no node {name} to start at.", path, hint=suggestion(name, graph.by_id))


def _missing(graph: Graph) -> Problem | None:
    if not graph.is_whole or len(graph.entries) == 1:
        return None
    path = graph.at("/start_node")
    if not graph.nodes:
        return Problem(Code.NO_START_NODE, "The workflow has no nodes.", path, hint="Add at least one node.")
    hint = "Set start_node to the id of the node where a run begins."
    if not graph.entries:
        return Problem(Code.NO_START_NODE, "Every node has a way that leads to it, so none is the first.", path, hint=hint)
    names = ", ".join(graph.entries[:5])
    return Problem(Code.NO_START_NODE, f"It is not clear where a run begins: nothing leads to {names}.", path, hint=hint)
