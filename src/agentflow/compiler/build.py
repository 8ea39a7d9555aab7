"""From a valid specification to a plan."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentflow.compiler.fuse import fuse
from agentflow.compiler.plan import Loop, MapBody, Plan, PlanEdge, PlanNode
from agentflow.errors import InvalidSpec
from agentflow.nodes.base import NodeConfig, NodeType
from agentflow.nodes.registry import NodeRegistry
from agentflow.spec.expressions import Renderer
from agentflow.spec.graph import FlowEdge, flow_edges, successors
from agentflow.spec.model import END, Edge, Node, WorkflowSpec

MAP_TYPE = "map"
SINGLE_BODY_ID = "item"


def build_plan(spec: WorkflowSpec, registry: NodeRegistry, renderer: Renderer) -> Plan:
    """Make the plan of ``spec``, which validation has found valid for this registry.

    Raises:
        InvalidSpec: the specification names a node type that this installation lacks, or has no start; a stored specification can
            outlive a plugin.
    """
    ways = flow_edges(spec.nodes, spec.edges, registry)
    loops = _loops(ways)
    edges = tuple(_edge(index, way, loops) for index, way in enumerate(ways))
    incoming = _grouped((edge.target, edge) for edge in edges if edge.loop is None)
    outgoing = _grouped((edge.source, edge) for edge in edges)
    nodes = {node.id: _node(node, incoming.get(node.id, ()), outgoing.get(node.id, ()), registry, renderer) for node in spec.nodes}
    by_source: dict[str, tuple[Loop, ...]] = {}
    for loop in loops.values():
        by_source[loop.source] = (*by_source.get(loop.source, ()), loop)
    return Plan(
        spec=spec,
        start=_start(spec, edges),
        nodes=nodes,
        edges=edges,
        units=fuse(nodes, loops),
        loops=loops,
        outputs=None if spec.outputs is None else renderer.compile_tree(spec.outputs),
        loops_by_source=by_source,
    )


def _start(spec: WorkflowSpec, edges: Sequence[PlanEdge]) -> str:
    if spec.start_node is not None:
        return spec.start_node
    entered = {edge.target for edge in edges if edge.loop is None}
    starts = [node.id for node in spec.nodes if node.id not in entered]
    if len(starts) != 1:
        raise InvalidSpec("The specification has no start_node.", hint="Name the node where a run begins.")
    return starts[0]


def _edge(index: int, way: FlowEdge, loops: Mapping[int, Loop]) -> PlanEdge:
    leaves = () if way.loop else tuple(loop.source for loop in loops.values() if way.source in loop.body and way.target not in loop.body)
    return PlanEdge(index, way.source, way.target, way.kind, way.condition, way.loop, leaves)


def _grouped(pairs: Iterable[tuple[str, PlanEdge]]) -> dict[str, list[PlanEdge]]:
    groups: dict[str, list[PlanEdge]] = {}
    for key, edge in pairs:
        groups.setdefault(key, []).append(edge)
    return groups


def _node(node: Node, incoming: Sequence[PlanEdge], outgoing: Sequence[PlanEdge], registry: NodeRegistry, renderer: Renderer) -> PlanNode:
    kind = registry.find(node.type)
    if kind is None:
        raise InvalidSpec(f"Node type {node.type} of node {node.id} is not installed.", hint="Install the package that provides it.")
    tree = renderer.compile_tree(node.config, expressions=kind.expression_paths, raw=kind.raw_paths)
    return PlanNode(
        node=node,
        kind=kind,
        effect=node.effect or kind.effect(node.config),
        config=tree,
        static_config=_static(kind, node.config) if tree.is_static else None,
        incoming=tuple(incoming),
        outgoing=tuple(outgoing),
        empty=dict.fromkeys(kind.output_schema(node.config).get("properties", ()), None),
        body=_body(node, kind, registry, renderer) if node.type == MAP_TYPE else None,
    )


def _static(kind: NodeType[Any], config: Mapping[str, Any]) -> NodeConfig:
    return kind.config_model.model_validate(config)


def _body(node: Node, kind: NodeType[Any], registry: NodeRegistry, renderer: Renderer) -> MapBody:
    document = kind.sub_graphs(node.config)[0].document
    spec = WorkflowSpec(
        name=node.id,
        nodes=[Node.model_validate(item) for item in document["nodes"]],
        edges=[Edge.model_validate(item) for item in document.get("edges", ())],
        start_node=document.get("start_node"),
    )
    plan = build_plan(spec, registry, renderer)
    single = next(iter(plan.nodes.values())) if "node" in node.config else None
    output = document.get("output")
    return MapBody(plan, single, None if output is None else renderer.compile_tree(output))


def _loops(ways: Sequence[FlowEdge]) -> dict[int, Loop]:
    back = [index for index, way in enumerate(ways) if way.loop is not None]
    if not back:
        return {}
    forward = [way for way in ways if way.loop is None]
    after, before = successors(forward), _predecessors(forward)
    bodies = {index: _reach(ways[index].target, after) & _reach(ways[index].source, before) for index in back}
    loops: dict[int, Loop] = {}
    for index in back:
        way, body = ways[index], bodies[index] | {ways[index].source, ways[index].target}
        exits = dict.fromkeys(
            other.target for other in forward if other.source in body and other.target not in body and other.target != END
        )
        inner = tuple(other for other in back if other != index and bodies[other] and bodies[other] < body)
        assert way.loop is not None  # noqa: S101 - `back` holds only these
        loops[index] = Loop(index, way.source, way.target, way.loop, frozenset(body), tuple(exits), inner)
    return loops


def _predecessors(edges: Sequence[FlowEdge]) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for edge in edges:
        result.setdefault(edge.target, []).append(edge.source)
    return result


def _reach(start: str, following: Mapping[str, Sequence[str]]) -> set[str]:
    seen, stack = {start}, [start]
    while stack:
        for node in following.get(stack.pop(), ()):
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return seen
