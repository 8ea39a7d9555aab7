"""REST: artifacts and their contents."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from agentflow.artifacts.schemas import Artifact, ArtifactLink, LinkCreate
from agentflow.artifacts.service import ArtifactService
from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey, etag
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import FORM, file_of, media_type, slice_router
from agentflow.errors import Unsupported
from agentflow.identity.auth import ArtifactsRead, ArtifactsWrite
from agentflow.kit.pagination import PageRequest

router = slice_router("/api/v1", "artifacts")

_FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary", "description": "The file, with its name and media type."}},
    "required": ["file"],
}
ArtifactId = Annotated[str, Path(description="Id of the artifact.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"], max_length=64)]


def _artifacts(request: Request) -> ArtifactService:
    service: ArtifactService = request.app.state.container.artifacts
    return service


@router.post(
    "/artifacts",
    status_code=201,
    operation_id="create_artifact",
    summary="Send a file",
    response_model=Artifact,
    openapi_extra={"requestBody": {"required": True, "content": {FORM: {"schema": _FORM}}}},
)
async def create_artifact(request: Request, subject: ArtifactsWrite, idempotency: IdempotencyKey) -> Response:
    """Store a file, sent as the part `file` of a form; it may be as large as a request body."""
    kind = media_type(request)
    if kind != FORM:
        raise Unsupported(f"This reads {FORM}, not {kind[:100] or 'a body without Content-Type'}.", hint="Send the file in a form.")
    async with file_of(request, max_fields=1) as (file, _):
        made = await _artifacts(request).create(subject, file.file, file.filename, file.content_type, idempotency=idempotency)
    return JsonAnswer(made, 201, {"Location": f"/api/v1/artifacts/{made.id}"})


@router.get("/artifacts", operation_id="list_artifacts", summary="List artifacts", response_model=PageOf[Artifact])
async def list_artifacts(
    request: Request,
    subject: ArtifactsRead,
    page: Annotated[PageRequest, Depends(paging("id"))],
    run_id: Annotated[
        str | None, Query(description="The large values of this run, instead of the files that were sent.", max_length=64)
    ] = None,
    fields: Fields = None,
) -> Response:
    """List the files that were sent, oldest first, or the large values of a run."""
    return page_answer(await _artifacts(request).list(subject, run_id, page), Artifact, fields, count=page.count)


@router.get("/artifacts/{artifact_id}", operation_id="get_artifact", summary="Get an artifact", response_model=Artifact)
async def get_artifact(request: Request, subject: ArtifactsRead, artifact_id: ArtifactId, fields: Fields = None) -> Response:
    """Return what is known of an artifact."""
    return JsonAnswer(cut(await _artifacts(request).get(subject, artifact_id), Artifact, fields))


@router.get(
    "/artifacts/{artifact_id}/content",
    operation_id="get_artifact_content",
    summary="Download an artifact",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "…"}}}},
)
async def get_artifact_content(request: Request, subject: ArtifactsRead, artifact_id: ArtifactId) -> Response:
    """Return the content, to be saved: whatever its type, a browser does not show or run it."""
    return _download(*await _artifacts(request).content(subject, artifact_id))


@router.post(
    "/artifacts/{artifact_id}/link", operation_id="create_artifact_link", summary="Make a download link", response_model=ArtifactLink
)
async def create_artifact_link(
    request: Request, subject: ArtifactsRead, artifact_id: ArtifactId, new: LinkCreate | None = None
) -> Response:
    """Make a link by which anybody can download an artifact until it ends. It cannot be called back, but ends with its artifact."""
    life = timedelta(seconds=(new or LinkCreate()).expires_in_s)
    return JsonAnswer(await _artifacts(request).link(subject, artifact_id, life))


@router.get(
    "/artifacts/{artifact_id}/download",
    operation_id="download_artifact",
    summary="Download by a link",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": "…"}}}},
)
async def download_artifact(
    request: Request,
    artifact_id: ArtifactId,
    token: Annotated[str, Query(max_length=200, description="The token of the link.", examples=["AZqfPo1cfEGdLg1fbxwrOgAAAABpIE4A"])],
) -> Response:
    """Return the content, as a link that somebody made allows; needs no credential."""
    answer = _download(*await _artifacts(request).linked(artifact_id, token))
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _download(found: Artifact, pieces: AsyncIterator[bytes]) -> Response:
    headers = {
        "Content-Length": str(found.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "ETag": etag(found.sha256),
    }
    return StreamingResponse(pieces, media_type=found.content_type, headers=headers)


@router.delete("/artifacts/{artifact_id}", status_code=204, operation_id="delete_artifact", summary="Delete an artifact")
async def delete_artifact(request: Request, subject: ArtifactsWrite, artifact_id: ArtifactId) -> Response:
    """Delete a file that was sent. Large values of runs are deleted with their runs."""
    await _artifacts(request).delete(subject, artifact_id)
    return Response(status_code=204)
