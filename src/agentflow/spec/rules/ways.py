"""DANGLING_EDGE, DUPLICATE_EDGE, SELF_LOOP, QUEUE_WITHOUT_EDGE and what `compensate` may name: ways and what they join."""

from collections.abc import Iterable

from agentflow.spec.draft import Draft, Graph
from agentflow.spec.graph import EdgeKind
from agentflow.spec.model import END
from agentflow.spec.problems import Code, Problem
from agentflow.spec.rules.names import suggestion

_WORDS = {EdgeKind.EDGE: "edge", EdgeKind.ROUTE: "route", EdgeKind.ERROR: "on_error", EdgeKind.COMPENSATE: "compensate"}


def dangling(draft: Draft) -> Iterable[Problem]:
    """Check that every way joins nodes that exist, or ends."""
    for graph in draft.graphs:
        for index, edge in enumerate(graph.edges):
            if edge.from_ and not _exists(graph, edge.from_):
                path = graph.at(f"/edges/{index}/from")
                yield Problem(
                    Code.DANGLING_EDGE,
                    f"The edge leaves {edge.from_}, which does not exist.",
                    path,
                    hint=suggestion(edge.from_, graph.by_id),
                )
        for way in graph.ways:
            if way.target != END and not _exists(graph, way.target):
                message = f"The {_WORDS[way.kind]} of {way.source} leads to {way.target}, which does not exist."
                node_id = way.source if way.source in graph.by_id else None
                yield Problem(Code.DANGLING_EDGE, message, way.path, node_id, suggestion(way.target, [*graph.by_id, END]))


def _exists(graph: Graph, node_id: str) -> bool:
    return node_id in graph.by_id or node_id in graph.unreadable_ids


def duplicates(draft: Draft) -> Iterable[Problem]:
    """Check that two nodes are joined by one edge; several conditions belong into one."""
    for graph in draft.graphs:
        first: dict[tuple[str, str], int] = {}
        for index, edge in enumerate(graph.edges):
            for place, target in enumerate(edge.targets):
                if (edge.from_, target) in first:
                    path = graph.at(f"/edges/{index}/to" + ("" if isinstance(edge.to, str) else f"/{place}"))
                    message = (
                        f"There is already an edge from {edge.from_} to {target}, at {graph.at(f'/edges/{first[edge.from_, target]}')}."
                    )
                    yield Problem(Code.DUPLICATE_EDGE, message, path, edge.from_, "Remove one; join two conditions with `or`.")
                first.setdefault((edge.from_, target), index)


def self_loops(draft: Draft) -> Iterable[Problem]:
    """Check that a node leads to itself only through a bounded loop."""
    for graph in draft.graphs:
        for way in graph.known_ways:
            if way.source == way.target and way.loop is None:
                hint = (
                    "Use `retry` to repeat a failed node." if way.kind is EdgeKind.ERROR else 'Bound it with "loop": {"max_iterations": …}.'
                )
                yield Problem(Code.SELF_LOOP, f"{way.source} leads to itself.", way.path, way.source, hint)


def queues(draft: Draft) -> Iterable[Problem]:
    """Check that a queue shapes the traffic of a way that exists."""
    joined = {(way.source, way.target) for way in draft.graphs[0].ways}
    for path, queue in draft.queues:
        if (queue.from_, queue.to) not in joined:
            message = f"The queue {queue.id} is for the way from {queue.from_} to {queue.to}, which does not exist."
            hint = suggestion(queue.to, [target for source, target in joined if source == queue.from_])
            yield Problem(Code.QUEUE_WITHOUT_EDGE, message, path, hint=hint or "Add the edge, or remove the queue.")


def compensations(draft: Draft) -> Iterable[Problem]:
    """Check that a node that undoes another one is there for nothing else, and stands in the workflow itself."""
    for graph in draft.graphs:
        for way in graph.known_ways:
            if way.kind is not EdgeKind.COMPENSATE:
                continue
            if graph is not draft.graphs[0]:
                hint = "Put the effect and its compensation outside the map, or into a subworkflow."
                yield Problem(Code.INVALID_CONFIG, "compensate has no meaning inside a map.", way.path, way.source, hint)
            others = [other for other in graph.ways if other is not way and way.target in {other.source, other.target}]
            if others:
                other = others[0]
                message = f"{way.target} undoes {way.source} and so may not have a way from {other.source} to {other.target}."
                yield Problem(
                    Code.INVALID_CONFIG, message, way.path, way.source, "Give each node that is to be undone a node of its own for that."
                )
