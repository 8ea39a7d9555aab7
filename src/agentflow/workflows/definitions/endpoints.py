"""REST: stored workflows."""

from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey, IfMatch
from agentflow.endpoints.headers import etag as quoted
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import WorkflowsRead, WorkflowsReadOne, WorkflowsWrite, WorkflowsWriteOne
from agentflow.kit.pagination import PageRequest
from agentflow.workflows.definitions.repository import SORTABLE, WorkflowFilter
from agentflow.workflows.definitions.schemas import (
    Rollback,
    Seen,
    Validate,
    Validation,
    Workflow,
    WorkflowCreate,
    WorkflowReplace,
    WorkflowUpdate,
)
from agentflow.workflows.definitions.service import WorkflowService
from agentflow.workflows.definitions.wire import etag

router = slice_router("/api/v1", "workflows")

Ref = Annotated[str, Path(description="Id of the workflow, or its name.", examples=["hello"], max_length=200)]


def workflows(request: Request) -> WorkflowService:
    """Return the service of this process."""
    service: WorkflowService = request.app.state.container.workflows
    return service


def tagged(workflow: Workflow) -> dict[str, str]:
    """Return the headers that tell a workflow's state."""
    return {"ETag": quoted(etag(workflow.version, workflow.updated_at))}


def created(workflow: Workflow) -> Response:
    """Return the answer to a request that made a workflow."""
    return JsonAnswer(workflow, 201, {**tagged(workflow), "Location": f"/api/v1/workflows/{workflow.id}"})


@router.post("/workflows", status_code=201, operation_id="create_workflow", summary="Create a workflow", response_model=Workflow)
async def create_workflow(request: Request, subject: WorkflowsWrite, new: WorkflowCreate, idempotency: IdempotencyKey) -> Response:
    """Validate a specification and store it as version 1 of a new workflow."""
    return created(await workflows(request).create(subject, new, idempotency=idempotency))


@router.get("/workflows", operation_id="list_workflows", summary="List workflows", response_model=PageOf[Workflow])
async def list_workflows(
    request: Request,
    subject: WorkflowsReadOne,
    page: Annotated[PageRequest, Depends(paging(*SORTABLE))],
    status: Annotated[Literal["active", "archived", "deleted"] | None, Query(description="`deleted` lists the bin.")] = None,
    tag: Annotated[str | None, Query(description="Only workflows with this label.", max_length=100)] = None,
    q: Annotated[str | None, Query(description="Only workflows with this text in name or description.", max_length=200)] = None,
    visibility: Annotated[Seen | None, Query(description="Only workflows that can be seen so far.")] = None,
    owner: Annotated[
        Literal["me", "others"] | None, Query(description="`me`: only one's own; `others`: only those that others shared with the caller.")
    ] = None,
    fields: Fields = None,
) -> Response:
    """List workflows, newest first; deleted ones only when asked for. Public ones of elsewhere are at `/shared/workflows`."""
    found = await workflows(request).list(subject, WorkflowFilter(status, tag, q, visibility, owner), page)
    return page_answer(found, Workflow, fields, count=page.count)


@router.post("/workflows/validate", operation_id="validate_workflow", summary="Validate a specification", response_model=Validation)
async def validate_workflow(request: Request, subject: WorkflowsRead, body: Validate) -> Response:
    """Return every problem of any JSON value as a specification; stores nothing, runs nothing, opens no connection."""
    return JsonAnswer((await workflows(request).validate(subject, body.spec)).to_json())


@router.get("/workflows/{workflow}", operation_id="get_workflow", summary="Get a workflow", response_model=Workflow)
async def get_workflow(request: Request, subject: WorkflowsReadOne, workflow: Ref, fields: Fields = None) -> Response:
    """Return a workflow with its current specification."""
    found = await workflows(request).get(subject, workflow)
    return JsonAnswer(cut(found, Workflow, fields), 200, tagged(found))


@router.put("/workflows/{workflow}", operation_id="replace_workflow", summary="Replace a workflow", response_model=Workflow)
async def replace_workflow(
    request: Request, subject: WorkflowsWriteOne, workflow: Ref, new: WorkflowReplace, if_match: IfMatch
) -> Response:
    """Put a new specification in the place of the old one, as a new version; the history stays."""
    changed = await workflows(request).replace(subject, workflow, new, if_match=if_match)
    return JsonAnswer(changed, 200, tagged(changed))


@router.patch("/workflows/{workflow}", operation_id="update_workflow", summary="Change a workflow", response_model=Workflow)
async def update_workflow(
    request: Request, subject: WorkflowsWriteOne, workflow: Ref, change: WorkflowUpdate, if_match: IfMatch
) -> Response:
    """Change what the body names and leave the rest; a new specification becomes a new version."""
    changed = await workflows(request).update(subject, workflow, change, if_match=if_match)
    return JsonAnswer(changed, 200, tagged(changed))


@router.delete("/workflows/{workflow}", status_code=204, operation_id="delete_workflow", summary="Delete a workflow")
async def delete_workflow(request: Request, subject: WorkflowsWrite, workflow: Ref, if_match: IfMatch) -> Response:
    """Put a workflow into the bin. Its runs and versions stay, and it can be restored by its id."""
    await workflows(request).delete(subject, workflow, if_match=if_match)
    return Response(status_code=204)


@router.post("/workflows/{workflow}/restore", operation_id="restore_workflow", summary="Restore a workflow", response_model=Workflow)
async def restore_workflow(request: Request, subject: WorkflowsWrite, workflow: Ref, idempotency: IdempotencyKey) -> Response:
    """Bring a deleted workflow back."""
    restored = await workflows(request).restore(subject, workflow, idempotency=idempotency)
    return JsonAnswer(restored, 200, tagged(restored))


@router.post("/workflows/{workflow}/rollback", operation_id="rollback_workflow", summary="Go back to a version", response_model=Workflow)
async def rollback_workflow(
    request: Request, subject: WorkflowsWrite, workflow: Ref, body: Rollback, if_match: IfMatch, idempotency: IdempotencyKey
) -> Response:
    """Save the specification of an older version as a new version."""
    changed = await workflows(request).rollback(subject, workflow, body.version, if_match=if_match, idempotency=idempotency)
    return JsonAnswer(changed, 200, tagged(changed))
