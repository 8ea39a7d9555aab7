"""REST: the nodes and edges of a workflow, one at a time. Every change is a new version of the whole."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Path, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey, IfMatch
from agentflow.endpoints.lists import PageOf
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import WorkflowsRead, WorkflowsWrite
from agentflow.spec.model import Edge, Node
from agentflow.workflows.definitions import edit
from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.endpoints import Ref, tagged, workflows
from agentflow.workflows.definitions.schemas import NodeAdd, StoredEdge, Workflow

router = slice_router("/api/v1", "workflows")

NodeId = Annotated[str, Path(description="Id of the node.", examples=["hi"], max_length=63)]
EdgeId = Annotated[
    str, Path(description="Id of the edge: its own, or `from->to` (percent-encoded: `hi-%3Ebye`).", examples=["hi->bye"], max_length=2_000)
]


async def _written(request: Request) -> Document:
    """Return the body as its author wrote it, for the validator to judge: the model of the parameter fills in defaults."""
    document: Document = await request.json()
    return document


def _numbered(spec: Document) -> list[Document]:
    edges = spec.get("edges", [])
    return [{**edge, "id": edge_id} for edge_id, edge in zip(edit.edge_ids(edges), edges, strict=True)]


def _place(workflow: Workflow, kind: str, name: str) -> dict[str, str]:
    return {**tagged(workflow), "Location": f"/api/v1/workflows/{workflow.id}/{kind}/{quote(name, safe='')}"}


@router.get("/workflows/{workflow}/nodes", operation_id="list_nodes", summary="List nodes", response_model=PageOf[Node])
async def list_nodes(request: Request, subject: WorkflowsRead, workflow: Ref) -> Response:
    """Return the nodes of the current version, in document order."""
    found = await workflows(request).get(subject, workflow)
    return JsonAnswer({"items": found.spec["nodes"], "next_cursor": None}, 200, tagged(found))


@router.post("/workflows/{workflow}/nodes", status_code=201, operation_id="add_node", summary="Add a node", response_model=Node)
async def add_node(
    request: Request, subject: WorkflowsWrite, workflow: Ref, node: NodeAdd, if_match: IfMatch, idempotency: IdempotencyKey
) -> Response:
    """Add a node, and with it the edges that join it to the graph.

    A node without edges may wait for them: the workflow is `valid` again when everything can be reached.
    """
    new = await _written(request)
    edges = new.pop("edges", [])
    changed = await workflows(request).edit(
        subject, workflow, lambda spec: edit.add_node(spec, new, edges), if_match=if_match, idempotency=idempotency
    )
    return JsonAnswer(new, 201, _place(changed, "nodes", node.id))


@router.get("/workflows/{workflow}/nodes/{node_id}", operation_id="get_node", summary="Get a node", response_model=Node)
async def get_node(request: Request, subject: WorkflowsRead, workflow: Ref, node_id: NodeId) -> Response:
    """Return one node of the current version."""
    found = await workflows(request).get(subject, workflow)
    return JsonAnswer(edit.node(found.spec, node_id), 200, tagged(found))


@router.put("/workflows/{workflow}/nodes/{node_id}", operation_id="replace_node", summary="Replace a node", response_model=Node)
async def replace_node(
    request: Request, subject: WorkflowsWrite, workflow: Ref, node_id: NodeId, _node: Node, if_match: IfMatch
) -> Response:
    """Replace a node. A new id is carried into edges, queues and `on_error`; expressions that name the old one are reported as errors."""
    new = await _written(request)
    changed = await workflows(request).edit(subject, workflow, lambda spec: edit.replace_node(spec, node_id, new), if_match=if_match)
    return JsonAnswer(new, 200, tagged(changed))


@router.delete("/workflows/{workflow}/nodes/{node_id}", status_code=204, operation_id="remove_node", summary="Remove a node")
async def remove_node(request: Request, subject: WorkflowsWrite, workflow: Ref, node_id: NodeId, if_match: IfMatch) -> Response:
    """Remove a node with the edges and queues that touch it."""
    changed = await workflows(request).edit(subject, workflow, lambda spec: edit.remove_node(spec, node_id), if_match=if_match)
    return Response(status_code=204, headers=tagged(changed))


@router.get("/workflows/{workflow}/edges", operation_id="list_edges", summary="List edges", response_model=PageOf[StoredEdge])
async def list_edges(request: Request, subject: WorkflowsRead, workflow: Ref) -> Response:
    """Return the edges of the current version with their ids, in document order."""
    found = await workflows(request).get(subject, workflow)
    return JsonAnswer({"items": _numbered(found.spec), "next_cursor": None}, 200, tagged(found))


@router.post("/workflows/{workflow}/edges", status_code=201, operation_id="add_edge", summary="Add an edge", response_model=StoredEdge)
async def add_edge(
    request: Request, subject: WorkflowsWrite, workflow: Ref, _edge: Edge, if_match: IfMatch, idempotency: IdempotencyKey
) -> Response:
    """Add an edge between two nodes that exist."""
    new = await _written(request)
    changed = await workflows(request).edit(
        subject, workflow, lambda spec: edit.add_edge(spec, new), if_match=if_match, idempotency=idempotency
    )
    added: dict[str, Any] = _numbered(changed.spec)[-1]
    return JsonAnswer(added, 201, _place(changed, "edges", added["id"]))


@router.get("/workflows/{workflow}/edges/{edge_id}", operation_id="get_edge", summary="Get an edge", response_model=StoredEdge)
async def get_edge(request: Request, subject: WorkflowsRead, workflow: Ref, edge_id: EdgeId) -> Response:
    """Return one edge of the current version."""
    found = await workflows(request).get(subject, workflow)
    return JsonAnswer({**edit.edge(found.spec, edge_id), "id": edge_id}, 200, tagged(found))


@router.put("/workflows/{workflow}/edges/{edge_id}", operation_id="replace_edge", summary="Replace an edge", response_model=StoredEdge)
async def replace_edge(
    request: Request, subject: WorkflowsWrite, workflow: Ref, edge_id: EdgeId, _edge: Edge, if_match: IfMatch
) -> Response:
    """Replace an edge. One without an id of its own is addressed by `from->to`, so its address changes with its ends."""
    new, place = await _written(request), 0

    def change(spec: Document) -> Document:
        nonlocal place
        changed = edit.replace_edge(spec, edge_id, new)
        place = edit.edge_ids(spec["edges"]).index(edge_id)
        return changed

    saved = await workflows(request).edit(subject, workflow, change, if_match=if_match)
    return JsonAnswer(_numbered(saved.spec)[place], 200, tagged(saved))


@router.delete("/workflows/{workflow}/edges/{edge_id}", status_code=204, operation_id="remove_edge", summary="Remove an edge")
async def remove_edge(request: Request, subject: WorkflowsWrite, workflow: Ref, edge_id: EdgeId, if_match: IfMatch) -> Response:
    """Remove an edge."""
    changed = await workflows(request).edit(subject, workflow, lambda spec: edit.remove_edge(spec, edge_id), if_match=if_match)
    return Response(status_code=204, headers=tagged(changed))
