"""A document on its way to being a specification: whatever of it can be read, with the problems of what cannot.

The rules work on a draft, so that a misspelt field in one node does not hide a cycle among the others.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from agentflow.config.limits import Limits
from agentflow.kit.json import JsonValue, pointer
from agentflow.spec.catalog import NodeKind
from agentflow.spec.expressions.tree import Place, walk_texts
from agentflow.spec.graph import FlowEdge, flow_edges
from agentflow.spec.model import Edge, Node, Queue, Source, WorkflowSpec
from agentflow.spec.problems import Problem
from agentflow.spec.schemas import OPEN, Schema
from agentflow.spec.tolerant import TolerantCatalog

UNREADABLE_NODE = Node.model_construct(id="", type="", config={}, on_error=None)
UNREADABLE_EDGE = Edge.model_construct(from_="", to=[])
"""Stand in for parts that cannot be read, so that the others keep their places."""


@dataclass(eq=False)
class DraftNode:
    """A node with its place.

    Attributes:
        node: the node; of a node with faults only what could be read.
        path: JSON Pointer to it.
        kind: its type, or None when that is unknown.
    """

    node: Node
    path: str
    kind: NodeKind | None

    @cached_property
    def output_schema(self) -> Schema:
        """What the node gives; ``{}`` when that is open."""
        return self.kind.output_schema(self.node.config) if self.kind else OPEN


@dataclass(eq=False)
class Graph:
    """The nodes and edges of the document, or of a fragment inside a config.

    Attributes:
        all_nodes: every node by place, unreadable ones included as such.
        edges: every edge by place, likewise.
        start_node: where it begins, as written.
        catalog: the node types.
        base: JSON Pointer to the fragment; empty for the document itself.
        single: whether the fragment is one node, which then stands at ``base`` itself.
        nodes: the nodes that could be read.
        is_whole: whether every node and edge could be read; conclusions from what is absent need that.
        unreadable_ids: ids of nodes that could not be read.
        outer: the graph around it, and the node whose config it stands in; None for the document itself.
        output: template tree of a fragment's result.
    """

    all_nodes: list[Node]
    edges: list[Edge]
    start_node: str | None
    catalog: TolerantCatalog
    base: str = ""
    single: bool = False
    nodes: list[DraftNode] = field(default_factory=list)
    is_whole: bool = True
    unreadable_ids: frozenset[str] = frozenset()
    outer: "tuple[Graph, DraftNode] | None" = None
    output: JsonValue = None

    @cached_property
    def by_id(self) -> Mapping[str, DraftNode]:
        """The nodes by id; of several with one id the first."""
        found: dict[str, DraftNode] = {}
        for node in self.nodes:
            found.setdefault(node.node.id, node)
        return found

    @cached_property
    def ways(self) -> Sequence[FlowEdge]:
        """Every way, with pointers into the whole document."""
        found = flow_edges(self.all_nodes, self.edges, self.catalog)
        if not self.base:
            return found
        return [FlowEdge(way.source, way.target, way.kind, self.at(way.path), way.condition, way.loop) for way in found]

    @cached_property
    def known_ways(self) -> Sequence[FlowEdge]:
        """The ways between nodes that exist."""
        return [way for way in self.ways if way.source in self.by_id and way.target in self.by_id]

    @cached_property
    def start(self) -> str | None:
        """Where the graph begins: the start node, or the only node that nothing leads to; None when that is not clear."""
        if self.start_node is not None:
            return self.start_node if self.start_node in self.by_id else None
        starts = self.entries
        return starts[0] if len(starts) == 1 and self.is_whole else None

    @cached_property
    def entries(self) -> Sequence[str]:
        """Nodes that nothing leads to, ways back left out."""
        entered = {way.target for way in self.ways if way.loop is None}
        return [node_id for node_id in dict.fromkeys(node.node.id for node in self.nodes) if node_id not in entered]

    def at(self, path: str) -> str:
        """Return the pointer in the whole document of a pointer in this graph."""
        return self.base + (path.removeprefix("/nodes/0") if self.single else path)


@dataclass(frozen=True, slots=True)
class TextPlace:
    """An expression or template.

    Attributes:
        text: as written.
        path: JSON Pointer to it.
        is_expression: whether it is a bare expression.
        graph: the graph whose names it knows; None in a source, which knows secrets only.
        node: the node it belongs to (of an edge, where it leaves); None for results, which know every node.
        place: where it stands in the node's config; None when it is not in a config.
        is_condition: whether its result only decides a way.
        sees_own: whether the node has run by then, so that its own output is known.
    """

    text: str
    path: str
    is_expression: bool
    graph: Graph | None
    node: DraftNode | None = None
    place: Place | None = None
    is_condition: bool = False
    sees_own: bool = False


@dataclass(eq=False)
class Draft:
    """Everything the rules need.

    Attributes:
        document: the document as it came.
        graphs: the document's own graph first, then those inside configs.
        sources: readable sources with their pointers.
        queues: readable queues with their pointers.
        problems: what could not be read.
    """

    document: Mapping[str, Any]
    limits: Limits
    catalog: TolerantCatalog
    secrets: Collection[str] | None
    variables: Collection[str] | None
    stored_sources: Mapping[str, str]
    graphs: list[Graph] = field(default_factory=list)
    sources: list[tuple[str, Source]] = field(default_factory=list)
    queues: list[tuple[str, Queue]] = field(default_factory=list)
    inputs: Schema = field(default_factory=dict)
    outputs: JsonValue = None
    problems: list[Problem] = field(default_factory=list)
    spec: WorkflowSpec | None = None

    @property
    def nodes(self) -> Iterator[DraftNode]:
        """Every node of every graph."""
        return (node for graph in self.graphs for node in graph.nodes)

    @cached_property
    def texts(self) -> Sequence[TextPlace]:
        """Every expression and template of the document."""
        found = [text for graph in self.graphs for text in _texts_of(graph)]
        found += [TextPlace(text, pointer("/outputs", *place), False, self.graphs[0]) for place, text, _ in walk_texts(self.outputs)]
        for path, source in self.sources:
            found += [TextPlace(text, pointer(f"{path}/config", *place), False, None) for place, text, _ in walk_texts(source.config)]
        return found


def _texts_of(graph: Graph) -> Iterator[TextPlace]:
    for item in graph.nodes:
        if item.node.when is not None:
            yield TextPlace(item.node.when, f"{item.path}/when", True, graph, item, is_condition=True)
        if item.kind is not None:
            for place, text, is_expression in walk_texts(item.node.config, item.kind.expression_paths, item.kind.raw_paths):
                yield TextPlace(text, pointer(f"{item.path}/config", *place), is_expression, graph, item, place)
    for index, edge in enumerate(graph.edges):
        if edge.condition is not None:
            origin = graph.by_id.get(edge.from_)
            yield TextPlace(edge.condition, graph.at(f"/edges/{index}/condition"), True, graph, origin, is_condition=True, sees_own=True)
    for place, text, _ in walk_texts(graph.output):
        yield TextPlace(text, pointer(f"{graph.base}/output", *place), False, graph)
