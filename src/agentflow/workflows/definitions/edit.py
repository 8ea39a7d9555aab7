"""Editing one node or edge of a specification: pure functions from a document to a new one."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentflow.errors import Conflict, NotFound

Document = dict[str, Any]


class NodeNotFound(NotFound):
    """The workflow has no such node."""

    code, title = "NODE_NOT_FOUND", "Node not found"


class EdgeNotFound(NotFound):
    """The workflow has no such edge."""

    code, title = "EDGE_NOT_FOUND", "Edge not found"


class AlreadyExists(Conflict):
    """The workflow has a node or edge with this id already."""

    code, title = "ALREADY_EXISTS", "Already exists"


def edge_ids(edges: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the id of each edge: its own, or ``from->to`` (several targets joined by ``+``, a repetition numbered)."""
    ids: list[str] = []
    for edge in edges:
        targets = edge["to"] if isinstance(edge["to"], list) else [edge["to"]]
        name = base = str(edge.get("id") or f"{edge['from']}->{'+'.join(targets)}")
        count = 1
        while name in ids:
            count += 1
            name = f"{base}#{count}"
        ids.append(name)
    return ids


def node(spec: Document, node_id: str) -> Document:
    """Return a node.

    Raises:
        NodeNotFound: there is none of this id.
    """
    found: Document = spec["nodes"][_node_place(spec, node_id)]
    return found


def add_node(spec: Document, new: Document, edges: Sequence[Document]) -> Document:
    """Return the specification with one more node, and the edges that join it.

    Raises:
        AlreadyExists: a node has this id.
    """
    if any(item["id"] == new.get("id") for item in spec["nodes"]):
        raise AlreadyExists(f"There is a node {new.get('id')} already.", hint="PUT changes it.")
    return {**spec, "nodes": [*spec["nodes"], new], "edges": [*spec.get("edges", ()), *edges]}


def replace_node(spec: Document, node_id: str, new: Document) -> Document:
    """Return the specification with a node replaced; a new id is carried into edges, queues and ``on_error``.

    Raises:
        NodeNotFound: there is none of this id.
    """
    place = _node_place(spec, node_id)
    nodes = [new if index == place else item for index, item in enumerate(spec["nodes"])]
    changed = {**spec, "nodes": nodes}
    return changed if new.get("id") == node_id else _renamed(changed, node_id, new.get("id"))


def remove_node(spec: Document, node_id: str) -> Document:
    """Return the specification without a node and without the edges and queues that touch it.

    Raises:
        NodeNotFound: there is none of this id.
    """
    place = _node_place(spec, node_id)
    nodes = [item for index, item in enumerate(spec["nodes"]) if index != place]
    changed = {**spec, "nodes": nodes, "edges": [edge for item in spec.get("edges", ()) if (edge := _without(item, node_id)) is not None]}
    if "queues" in spec:
        changed["queues"] = [queue for queue in spec["queues"] if node_id not in (queue["from"], queue["to"])]
    return changed


def edge(spec: Document, edge_id: str) -> Document:
    """Return an edge.

    Raises:
        EdgeNotFound: there is none of this id.
    """
    place = _edge_place(spec, edge_id)
    found: Document = spec["edges"][place]
    return found


def add_edge(spec: Document, new: Document) -> Document:
    """Return the specification with one more edge.

    Raises:
        AlreadyExists: an edge has this id.
    """
    edges = spec.get("edges", ())
    if new.get("id") is not None and new["id"] in edge_ids(edges):
        raise AlreadyExists(f"There is an edge {new['id']} already.", hint="PUT changes it.")
    return {**spec, "edges": [*edges, new]}


def replace_edge(spec: Document, edge_id: str, new: Document) -> Document:
    """Return the specification with an edge replaced.

    Raises:
        EdgeNotFound: there is none of this id.
    """
    place = _edge_place(spec, edge_id)
    return {**spec, "edges": [new if index == place else item for index, item in enumerate(spec["edges"])]}


def remove_edge(spec: Document, edge_id: str) -> Document:
    """Return the specification without an edge.

    Raises:
        EdgeNotFound: there is none of this id.
    """
    place = _edge_place(spec, edge_id)
    return {**spec, "edges": [item for index, item in enumerate(spec["edges"]) if index != place]}


def _node_place(spec: Document, node_id: str) -> int:
    for index, item in enumerate(spec["nodes"]):
        if item["id"] == node_id:
            return index
    raise NodeNotFound(f"There is no node {node_id} in this workflow.")


def _edge_place(spec: Document, edge_id: str) -> int:
    try:
        return edge_ids(spec.get("edges", ())).index(edge_id)
    except ValueError:
        raise EdgeNotFound(f"There is no edge {edge_id} in this workflow.", hint="GET …/edges lists them with their ids.") from None


def _without(item: Document, node_id: str) -> Document | None:
    if item["from"] == node_id or item["to"] == node_id:
        return None
    if isinstance(item["to"], list) and node_id in item["to"]:
        rest = [target for target in item["to"] if target != node_id]
        return {**item, "to": rest} if rest else None
    return item


def _renamed(spec: Document, old: str, new: Any) -> Document:
    def name(value: Any) -> Any:
        if isinstance(value, list):
            return [name(item) for item in value]
        return new if value == old else value

    def ways(items: Sequence[Document]) -> list[Document]:
        return [{**item, "from": name(item["from"]), "to": name(item["to"])} for item in items]

    changed = {**spec, "edges": ways(spec.get("edges", ()))}
    changed["nodes"] = [
        {**item, **{field: name(item[field]) for field in ("on_error", "compensate") if field in item}} for item in spec["nodes"]
    ]
    if "queues" in spec:
        changed["queues"] = ways(spec["queues"])
    if spec.get("start_node") == old:
        changed["start_node"] = new
    return changed
