"""The ways of a workflow, whoever declares them: edges, a router's routes, ``on_error`` and ``compensate``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agentflow.kit.json import pointer
from agentflow.spec.catalog import NodeCatalog
from agentflow.spec.model import END, Edge, LoopPolicy, Node


class EdgeKind(StrEnum):
    """Why a way exists."""

    EDGE = "edge"
    """Declared under ``edges``: taken when the node completed, subject to its condition."""
    ROUTE = "route"
    """Named by a router's config: taken when the router chose it."""
    ERROR = "error"
    """``on_error``: taken when the node failed for good."""
    COMPENSATE = "compensate"
    """``compensate``: never taken; its target is run by itself when the run fails or is stopped."""


@dataclass(frozen=True, slots=True)
class FlowEdge:
    """One way from one node to one node; an edge to several targets is several ways.

    Attributes:
        source: id of the node it leaves.
        target: id of the node it leads to, or ``end``.
        kind: who declared it.
        path: JSON Pointer to where its target is written.
        condition: expression that must not be false, or None.
        loop: bound of a way that leads back, or None.
    """

    source: str
    target: str
    kind: EdgeKind
    path: str
    condition: str | None = None
    loop: LoopPolicy | None = None


def flow_edges(nodes: Sequence[Node], edges: Sequence[Edge], catalog: NodeCatalog) -> list[FlowEdge]:
    """Return every way between ``nodes`` in document order: first those that nodes imply, then ``edges``.

    An entry under ``edges`` from a router to one of its own routes only repeats the route (it may add a condition or a loop), so the
    two are one way. Targets may not exist: the validator reports them.
    """
    implied = [edge for index, node in enumerate(nodes) for edge in _implied(index, node, catalog)]
    routes = {(edge.source, edge.target): place for place, edge in enumerate(implied) if edge.kind is EdgeKind.ROUTE}
    declared: list[FlowEdge] = []
    for edge in _declared(edges):
        place = routes.get((edge.source, edge.target))
        if place is None:
            declared.append(edge)
        else:
            route = implied[place]
            implied[place] = FlowEdge(route.source, route.target, route.kind, route.path, edge.condition, edge.loop)
    return implied + declared


def _implied(index: int, node: Node, catalog: NodeCatalog) -> Iterator[FlowEdge]:
    kind = catalog.find(node.type)
    seen: set[str] = set()
    for target in kind.targets(node.config) if kind else ():
        if target.node_id not in seen:
            seen.add(target.node_id)
            yield FlowEdge(node.id, target.node_id, EdgeKind.ROUTE, pointer(f"/nodes/{index}/config", *target.path))
    if node.on_error is not None:
        yield FlowEdge(node.id, node.on_error, EdgeKind.ERROR, f"/nodes/{index}/on_error")
    if node.compensate is not None:
        yield FlowEdge(node.id, node.compensate, EdgeKind.COMPENSATE, f"/nodes/{index}/compensate")


def _declared(edges: Sequence[Edge]) -> Iterator[FlowEdge]:
    for index, edge in enumerate(edges):
        for place, target in enumerate(edge.targets):
            path = f"/edges/{index}/to" + ("" if isinstance(edge.to, str) else f"/{place}")
            yield FlowEdge(edge.from_, target, EdgeKind.EDGE, path, edge.condition, edge.loop)


def successors(edges: Sequence[FlowEdge]) -> dict[str, list[str]]:
    """Return the targets of each source in document order, ``end`` left out."""
    result: dict[str, list[str]] = {}
    for edge in edges:
        if edge.target != END:
            result.setdefault(edge.source, []).append(edge.target)
    return result
