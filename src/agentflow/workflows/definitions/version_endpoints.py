"""REST: the history of a workflow."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import etag
from agentflow.endpoints.lists import Fields, PageOf, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import WorkflowsRead
from agentflow.kit.pagination import PageRequest
from agentflow.workflows.definitions.endpoints import Ref, workflows
from agentflow.workflows.definitions.repository import MAX_NUMBER
from agentflow.workflows.definitions.schemas import Diff, Version

router = slice_router("/api/v1", "workflows")

Number = Annotated[int, Path(ge=1, le=MAX_NUMBER, description="Number of the version.", examples=[1])]


@router.get("/workflows/{workflow}/versions", operation_id="list_versions", summary="List versions", response_model=PageOf[Version])
async def list_versions(
    request: Request,
    subject: WorkflowsRead,
    workflow: Ref,
    page: Annotated[PageRequest, Depends(paging("number"))],
    fields: Fields = None,
) -> Response:
    """Return the versions of a workflow, newest first, without their specifications."""
    return page_answer(await workflows(request).versions(subject, workflow, page), Version, fields, count=page.count)


@router.get("/workflows/{workflow}/versions/{number}", operation_id="get_version", summary="Get a version", response_model=Version)
async def get_version(request: Request, subject: WorkflowsRead, workflow: Ref, number: Number) -> Response:
    """Return one version with its specification. Versions never change."""
    found = await workflows(request).version(subject, workflow, number)
    return JsonAnswer(found, 200, {"ETag": etag(found.spec_hash)})


@router.get("/workflows/{workflow}/diff", operation_id="diff_versions", summary="Compare two versions", response_model=Diff)
async def diff_versions(
    request: Request,
    subject: WorkflowsRead,
    workflow: Ref,
    older: Annotated[int, Query(alias="from", ge=1, le=MAX_NUMBER, description="Number of the older version.", examples=[1])],
    newer: Annotated[int, Query(alias="to", ge=1, le=MAX_NUMBER, description="Number of the newer version.", examples=[2])],
) -> Response:
    """Return what changed between two versions; nodes, edges, sources and queues are matched by id."""
    return JsonAnswer(await workflows(request).diff(subject, workflow, older, newer))
