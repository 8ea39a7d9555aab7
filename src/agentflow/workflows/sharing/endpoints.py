"""REST: who sees a workflow, links to it, and what others see."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import Signed, WorkflowsShareOne
from agentflow.identity.once import once
from agentflow.kit.pagination import PageRequest
from agentflow.workflows.definitions.endpoints import Ref
from agentflow.workflows.sharing.schemas import (
    LINK_EXAMPLE,
    LinkAccept,
    LinkCreate,
    NewLink,
    PublicWorkflow,
    Share,
    ShareCreate,
    SharedWorkflow,
    Sharing,
    VisibilityUpdate,
)
from agentflow.workflows.sharing.service import SharingService

router = slice_router("/api/v1", "sharing")

_UUID = "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"
ShareId = Annotated[str, Path(description="Id of the share.", examples=[_UUID], max_length=64)]
LinkId = Annotated[str, Path(description="Id of the link.", examples=[_UUID], max_length=64)]
SharedId = Annotated[str, Path(description="Id of the workflow.", examples=[_UUID], max_length=64)]


def _sharing(request: Request) -> SharingService:
    service: SharingService = request.app.state.container.sharing
    return service


@router.get("/workflows/{workflow}/share", operation_id="get_sharing", summary="See who sees a workflow", response_model=Sharing)
async def get_sharing(request: Request, subject: WorkflowsShareOne, workflow: Ref) -> Response:
    """Return how far a workflow can be seen, with whom it is shared, and its links."""
    return JsonAnswer(await _sharing(request).get(subject, workflow))


@router.put("/workflows/{workflow}/share", operation_id="set_visibility", summary="Say who sees a workflow", response_model=Sharing)
async def set_visibility(request: Request, subject: WorkflowsShareOne, workflow: Ref, new: VisibilityUpdate) -> Response:
    """Make a workflow private, visible to the organisation, or public. Private revokes its links."""
    return JsonAnswer(await _sharing(request).set_visibility(subject, workflow, new.visibility))


@router.post(
    "/workflows/{workflow}/share", status_code=201, operation_id="share_workflow", summary="Share a workflow", response_model=Share
)
async def share_workflow(
    request: Request, subject: WorkflowsShareOne, workflow: Ref, new: ShareCreate, idempotency: IdempotencyKey
) -> Response:
    """Let a member or team do with a workflow what a role allows, be it private or not."""
    made = await once(request, subject, idempotency, Share, lambda: _sharing(request).share(subject, workflow, new))
    return JsonAnswer(made, 201)


@router.delete("/workflows/{workflow}/share/{share_id}", status_code=204, operation_id="unshare_workflow", summary="Take a share back")
async def unshare_workflow(request: Request, subject: WorkflowsShareOne, workflow: Ref, share_id: ShareId) -> Response:
    """Take a share back; within five seconds nothing of it is left."""
    await _sharing(request).unshare(subject, workflow, share_id)
    return Response(status_code=204)


@router.post(
    "/workflows/{workflow}/links", status_code=201, operation_id="create_workflow_link", summary="Make a link", response_model=NewLink
)
async def create_workflow_link(
    request: Request, subject: WorkflowsShareOne, workflow: Ref, idempotency: IdempotencyKey, new: LinkCreate | None = None
) -> Response:
    """Make a link by which everybody sees a workflow, and members may take on a role. Its token is shown this once."""
    wanted = new or LinkCreate()
    made = await once(request, subject, idempotency, NewLink, lambda: _sharing(request).create_link(subject, workflow, wanted))
    answer = JsonAnswer(made, 201)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@router.delete("/workflows/{workflow}/links/{link_id}", status_code=204, operation_id="revoke_workflow_link", summary="Revoke a link")
async def revoke_workflow_link(request: Request, subject: WorkflowsShareOne, workflow: Ref, link_id: LinkId) -> Response:
    """Revoke a link, and what members took on by it."""
    await _sharing(request).revoke_link(subject, workflow, link_id)
    return Response(status_code=204)


@router.get(
    "/shared/workflow",
    operation_id="open_workflow_link",
    summary="Look at a workflow by a link",
    response_model=SharedWorkflow,
)
async def open_workflow_link(
    request: Request,
    token: Annotated[str, Query(min_length=1, max_length=200, description="The token of the link.", examples=[LINK_EXAMPLE])],
) -> Response:
    """Return what a link shows: the workflow without its secrets; needs no credential, and counts as a use of the link."""
    answer = JsonAnswer(await _sharing(request).open_link(token))
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


@router.post(
    "/shared/workflow/accept",
    status_code=201,
    operation_id="accept_workflow_link",
    summary="Take on a link",
    response_model=Share,
)
async def accept_workflow_link(request: Request, subject: Signed, body: LinkAccept, idempotency: IdempotencyKey) -> Response:
    """Take on the role of a link, as a member of the workflow's organisation; what it gives ends with the link."""
    taken = await once(request, subject, idempotency, Share, lambda: _sharing(request).accept_link(subject, body.token))
    return JsonAnswer(taken, 201)


@router.get(
    "/shared/workflows", operation_id="list_public_workflows", summary="List public workflows", response_model=PageOf[PublicWorkflow]
)
async def list_public_workflows(
    request: Request,
    _subject: Signed,
    page: Annotated[PageRequest, Depends(paging("id"))],
    tag: Annotated[str | None, Query(description="Only workflows with this label.", max_length=100)] = None,
    q: Annotated[str | None, Query(description="Only workflows with this text in name or description.", max_length=200)] = None,
    fields: Fields = None,
) -> Response:
    """List the public workflows of all organisations, for whoever is signed in."""
    return page_answer(await _sharing(request).list_public(page, q, tag), PublicWorkflow, fields, count=page.count)


@router.get(
    "/shared/workflows/{workflow_id}",
    operation_id="get_public_workflow",
    summary="Look at a public workflow",
    response_model=SharedWorkflow,
)
async def get_public_workflow(request: Request, workflow_id: SharedId, fields: Fields = None) -> Response:
    """Return a public workflow without its secrets; needs no credential."""
    return JsonAnswer(cut(await _sharing(request).open_public(workflow_id), SharedWorkflow, fields))
