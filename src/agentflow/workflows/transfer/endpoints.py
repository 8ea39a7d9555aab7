"""REST: workflows as documents, in JSON or YAML; copies; confirming what came from outside."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.requests import BODY, slice_router
from agentflow.errors import Invalid, LimitExceeded, Malformed, Unsupported
from agentflow.identity.auth import WorkflowsConfirmOne, WorkflowsReadOne, WorkflowsWrite
from agentflow.kit import yaml
from agentflow.workflows.definitions.endpoints import Ref, created
from agentflow.workflows.definitions.schemas import EXAMPLE_SPEC, Workflow
from agentflow.workflows.transfer.schemas import Confirm, Confirmation, ImportPreview, WorkflowCopy, WorkflowFork
from agentflow.workflows.transfer.service import TransferService

router = slice_router("/api/v1", "workflows")

YAML = "application/yaml"
_YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml"})
_DOCUMENT: dict[str, Any] = {
    "application/json": {"schema": {"type": "object"}, "example": EXAMPLE_SPEC},
    YAML: {"schema": {"type": "object"}, "example": EXAMPLE_SPEC},
}


def _transfers(request: Request) -> TransferService:
    service: TransferService = request.app.state.container.transfers
    return service


@router.post(
    "/workflows/import/preview",
    operation_id="preview_import",
    summary="Look at a workflow before importing it",
    response_model=ImportPreview,
    openapi_extra={"requestBody": {"required": True, "content": _DOCUMENT}},
)
async def preview_import(request: Request, subject: WorkflowsWrite) -> Response:
    """Return what an exported document would use if it ran, and what is missing for it. Stores, runs and opens nothing."""
    return JsonAnswer(await _transfers(request).preview(subject, await _object(request)))


@router.post(
    "/workflows/import",
    status_code=201,
    operation_id="import_workflow",
    summary="Import a workflow",
    response_model=Workflow,
    openapi_extra={"requestBody": {"required": True, "content": _DOCUMENT}},
)
async def import_workflow(
    request: Request,
    subject: WorkflowsWrite,
    idempotency: IdempotencyKey,
    confirm: Annotated[
        str | None, Query(max_length=64, description="The preview's `spec_hash`, to confirm what the workflow uses at once.")
    ] = None,
) -> Response:
    """Store an exported document as a new workflow, which runs once somebody has confirmed what it uses. YAML may not use aliases or tags."""
    return created(await _transfers(request).import_(subject, await _object(request), confirm, idempotency=idempotency))


@router.post("/workflows/fork", status_code=201, operation_id="fork_workflow", summary="Copy a workflow", response_model=Workflow)
async def fork_workflow(request: Request, subject: WorkflowsWrite, body: WorkflowFork, idempotency: IdempotencyKey) -> Response:
    """Copy a workflow that the caller sees, a public one, or one that a link opens; the copy knows where it is from and goes its own way."""
    return created(await _transfers(request).fork(subject, body, idempotency=idempotency))


@router.post(
    "/workflows/{workflow}/fork", status_code=201, operation_id="copy_workflow", summary="Copy this workflow", response_model=Workflow
)
async def copy_workflow(
    request: Request, subject: WorkflowsWrite, workflow: Ref, idempotency: IdempotencyKey, body: WorkflowCopy | None = None
) -> Response:
    """Do what `POST /workflows/fork` does, for the workflow in the path."""
    wanted = WorkflowFork(source_id=workflow, name=None if body is None else body.name)
    return created(await _transfers(request).fork(subject, wanted, idempotency=idempotency))


@router.get(
    "/workflows/{workflow}/confirmation",
    operation_id="get_confirmation",
    summary="See what a workflow uses",
    response_model=Confirmation,
)
async def get_confirmation(request: Request, subject: WorkflowsReadOne, workflow: Ref) -> Response:
    """Return what a workflow uses, and, where it came from outside, what of it somebody has confirmed."""
    return JsonAnswer(await _transfers(request).confirmation(subject, workflow))


@router.post(
    "/workflows/{workflow}/confirmation",
    operation_id="confirm_workflow",
    summary="Confirm what a workflow uses",
    response_model=Confirmation,
)
async def confirm_workflow(request: Request, subject: WorkflowsConfirmOne, workflow: Ref, body: Confirm) -> Response:
    """Let a workflow that came from outside use what was shown. A later version that uses more waits to be confirmed again."""
    return JsonAnswer(await _transfers(request).confirm(subject, workflow, body.spec_hash))


async def _object(request: Request) -> dict[str, Any]:
    document = await _document(request)
    if not isinstance(document, dict):
        raise Invalid("The document is not an object.", errors=[{"in": "body", "path": "", "message": "must be an object"}])
    return document


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
    subject: WorkflowsReadOne,
    workflow: Ref,
    format: Annotated[Literal["json", "yaml"] | None, Query(description="The form; by `Accept` without it.")] = None,  # noqa: A002 - its name outside
) -> Response:
    """Return a workflow as one document that `import` reads: its specification without secrets, under the name it is stored by."""
    document = await _transfers(request).export(subject, workflow)
    accepted = request.headers.get("accept", "")
    if format == "yaml" or (format is None and any(kind in accepted for kind in _YAML_TYPES)):
        return Response(yaml.dumps(document), media_type=YAML)
    return JsonAnswer(document)
