"""Reading a document into a draft: strictly, and part by part where the whole does not fit."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agentflow.kit import json
from agentflow.kit.json import JsonValue, pointer
from agentflow.spec.catalog import SubGraph
from agentflow.spec.draft import UNREADABLE_EDGE, UNREADABLE_NODE, Draft, DraftNode, Graph
from agentflow.spec.messages import schema_problems
from agentflow.spec.model import Edge, Node, Queue, Source, WorkflowSpec
from agentflow.spec.problems import Code, Problem

M = TypeVar("M", bound=BaseModel)


def read(draft: Draft) -> None:
    """Fill a draft from its document."""
    document = draft.document
    try:
        spec = WorkflowSpec.model_validate_json(json.dump_bytes(document), strict=True)
    except ValidationError as error:
        _read_parts(draft, error)
        return
    draft.spec = spec
    draft.inputs, draft.outputs = spec.inputs, spec.outputs
    draft.sources = [(f"/sources/{index}", source) for index, source in enumerate(spec.sources)]
    draft.queues = [(f"/queues/{index}", queue) for index, queue in enumerate(spec.queues)]
    _add_graph(draft, _graph(draft, spec.nodes, spec.edges, spec.start_node))


def _read_parts(draft: Draft, error: ValidationError) -> None:
    document = draft.document
    draft.problems += schema_problems(document, error, WorkflowSpec)
    draft.inputs = _field(document, "inputs", Mapping) or {}
    draft.outputs = _field(document, "outputs", Mapping)
    draft.sources = _readable(document, "sources", Source)
    draft.queues = _readable(document, "queues", Queue)
    _add_graph(draft, _lenient_graph(draft, document))


def _readable(document: Mapping[str, Any], name: str, model: type[M]) -> list[tuple[str, M]]:
    found = ((index, _lenient(item, model)) for index, item in enumerate(_field(document, name, list) or ()))
    return [(f"/{name}/{index}", part) for index, part in found if part is not None]


def _field(document: Mapping[str, Any], name: str, kind: type) -> Any:
    value = document.get(name)
    return value if isinstance(value, kind) else None


def _lenient_graph(draft: Draft, document: Mapping[str, Any], **place: Any) -> Graph:
    raw_nodes, raw_edges = _field(document, "nodes", list), _field(document, "edges", list)
    nodes = [_lenient(item, Node) for item in raw_nodes or ()]
    edges = [_lenient(item, Edge) for item in raw_edges or ()]
    readable = raw_nodes is not None and (raw_edges is not None or "edges" not in document)
    return _graph(
        draft,
        [node or UNREADABLE_NODE for node in nodes],
        [edge or UNREADABLE_EDGE for edge in edges],
        _field(document, "start_node", str),
        is_whole=readable and None not in nodes and None not in edges,
        unreadable_ids=frozenset(
            item["id"]
            for item, node in zip(raw_nodes or (), nodes, strict=True)
            if node is None and isinstance(item, Mapping) and isinstance(item.get("id"), str)
        ),
        **place,
    )


def _graph(draft: Draft, nodes: list[Node], edges: list[Edge], start_node: str | None, **more: Any) -> Graph:
    graph = Graph(all_nodes=nodes, edges=edges, start_node=start_node, catalog=draft.catalog, **more)
    graph.nodes = [
        DraftNode(node, graph.at(f"/nodes/{index}"), draft.catalog.find(node.type))
        for index, node in enumerate(nodes)
        if node is not UNREADABLE_NODE
    ]
    return graph


def _add_graph(draft: Draft, graph: Graph) -> None:
    """Add a graph and those inside its configs; with a list, since maps may stand in maps."""
    waiting = [graph]
    while waiting:
        graph = waiting.pop(0)
        draft.graphs.append(graph)
        for item in graph.nodes:
            parts = item.kind.sub_graphs(item.node.config) if item.kind else ()
            waiting += [_sub_graph(draft, graph, item, part) for part in parts]


def _sub_graph(draft: Draft, outer: Graph, item: DraftNode, part: SubGraph) -> Graph:
    document = part.document
    written: Any = item.node.config
    for name in part.path:
        written = written[name]
    base, single = pointer(f"{item.path}/config", *part.path), "nodes" not in written
    graph = _lenient_graph(draft, document, base=base, single=single, outer=(outer, item), output=document.get("output"))
    draft.problems += _fragment_problems(graph, document)
    return graph


def _fragment_problems(graph: Graph, document: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    for name, model in (("nodes", Node), ("edges", Edge)):
        items = document.get(name, [])
        if not isinstance(items, list):
            problems.append(Problem(Code.SCHEMA, f"`{name}` must be a list.", graph.at(f"/{name}")))
            continue
        for index, item in enumerate(items):
            problems += _strict(item, model, graph.at(f"/{name}/{index}"))
    start = document.get("start_node")
    if start is not None and not isinstance(start, str):
        problems.append(Problem(Code.SCHEMA, "`start_node` must be the id of a node.", graph.at("/start_node")))
    return problems


def _strict(item: JsonValue, model: type[BaseModel], base: str) -> list[Problem]:
    try:
        model.model_validate_json(json.dump_bytes(item), strict=True)
    except ValidationError as error:
        return [
            Problem(problem.code, problem.message, base + problem.path, problem.node_id, problem.hint)
            for problem in schema_problems(item, error, model)
        ]
    return []


def _lenient(item: JsonValue, model: type[M]) -> M | None:
    """Return what can be read of a part; None when not even its required fields can."""
    if not isinstance(item, Mapping):
        return None
    try:
        return model.model_validate_json(json.dump_bytes(item), strict=True)
    except ValidationError as error:
        faulty = {
            detail["loc"][0] for detail in error.errors(include_url=False, include_context=False, include_input=False) if detail["loc"]
        }
    rest = {key: value for key, value in item.items() if key not in faulty}
    try:
        return model.model_validate_json(json.dump_bytes(rest), strict=True)
    except ValidationError:
        return None
