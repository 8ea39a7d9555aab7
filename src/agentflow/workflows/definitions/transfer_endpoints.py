"""REST: workflows as documents, in JSON or YAML."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.requests import BODY, slice_router
from agentflow.errors import Invalid, LimitExceeded, Malformed, Unsupported
from agentflow.identity.auth import WorkflowsRead, WorkflowsWrite
from agentflow.kit import yaml
from agentflow.workflows.definitions.endpoints import Ref, tagged, workflows
from agentflow.workflows.definitions.schemas import EXAMPLE_SPEC, Workflow, WorkflowCreate

router = slice_router("/api/v1", "workflows")

YAML = "application/yaml"
_YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
_DOCUMENT: dict[str, Any] = {
    "application/json": {"schema": {"type": "object"}, "example": EXAMPLE_SPEC},
    YAML: {"schema": {"type": "object"}, "example": EXAMPLE_SPEC},
}


@router.post(
    "/workflows/import",
    status_code=201,
    operation_id="import_workflow",
    summary="Import a workflow",
    response_model=Workflow,
    openapi_extra={"requestBody": {"required": True, "content": _DOCUMENT}},
)
async def import_workflow(request: Request, subject: WorkflowsWrite, idempotency: IdempotencyKey) -> Response:
    """Store an exported document as a new workflow. YAML may not use aliases or tags."""
    document = await _document(request)
    if not isinstance(document, dict):
        raise Invalid("The document is not an object.", errors=[{"in": "body", "path": "", "message": "must be an object"}])
    made = await workflows(request).create(subject, WorkflowCreate(spec=document), idempotency=idempotency)
    return JsonAnswer(made, 201, {**tagged(made), "Location": f"/api/v1/workflows/{made.id}"})


async def _document(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return await request.json()
    if kind not in _YAML_TYPES:
        raise Unsupported(f"This reads application/json or {YAML}, not {kind or 'a body without Content-Type'}.")
    settings = request.app.state.container.settings
    body: bytes = request.scope[BODY]
    if len(body) > settings.max_spec_bytes:
        raise LimitExceeded(f"The document is larger than {settings.max_spec_bytes} bytes (setting max_spec_bytes).")
    try:
        return await asyncio.to_thread(yaml.loads, body, max_depth=settings.max_json_depth)
    except yaml.InvalidYaml as error:
        raise Malformed(f"The body is not acceptable YAML: {error}.") from error


@router.get(
    "/workflows/{workflow}/export",
    operation_id="export_workflow",
    summary="Export a workflow",
    response_class=Response,
    responses={200: {"content": _DOCUMENT}},
)
async def export_workflow(
    request: Request,
    subject: WorkflowsRead,
    workflow: Ref,
    format: Annotated[Literal["json", "yaml"] | None, Query(description="The form; by `Accept` without it.")] = None,  # noqa: A002 - its name outside
) -> Response:
    """Return a workflow as one document that `import` reads: its specification, under the name it is stored by."""
    document = await workflows(request).export(subject, workflow)
    accepted = request.headers.get("accept", "")
    if format == "yaml" or (format is None and any(kind in accepted for kind in _YAML_TYPES)):
        return Response(yaml.dumps(document), media_type=YAML)
    return JsonAnswer(document)
