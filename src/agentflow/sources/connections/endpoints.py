"""REST: stored sources."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import SourcesReadOne, SourcesTestOne, SourcesWrite, SourcesWriteOne
from agentflow.kit.pagination import PageRequest
from agentflow.sources.connections.schemas import SourceCreate, SourceReplace, SourceTest, StoredSource
from agentflow.sources.connections.service import ConnectionService
from agentflow.spec.model import SourceKind

router = slice_router("/api/v1", "sources")

Ref = Annotated[str, Path(description="Id of the source, or its name.", examples=["shop"], max_length=100)]


def _sources(request: Request) -> ConnectionService:
    service: ConnectionService = request.app.state.container.sources
    return service


@router.post("/sources", status_code=201, operation_id="create_source", summary="Store a source", response_model=StoredSource)
async def create_source(request: Request, subject: SourcesWrite, new: SourceCreate, idempotency: IdempotencyKey) -> Response:
    """Store a connection that the nodes of every workflow can name as their `source`. Secrets stand in it by name only."""
    made = await _sources(request).create(subject, new, idempotency=idempotency)
    return JsonAnswer(made, 201, {"Location": f"/api/v1/sources/{made.id}"})


@router.get("/sources", operation_id="list_sources", summary="List sources", response_model=PageOf[StoredSource])
async def list_sources(
    request: Request,
    subject: SourcesReadOne,
    page: Annotated[PageRequest, Depends(paging("name"))],
    kind: Annotated[SourceKind | None, Query(description="Only sources of this kind.")] = None,
    fields: Fields = None,
) -> Response:
    """List sources by name."""
    return page_answer(await _sources(request).list(subject, page, kind), StoredSource, fields, count=page.count)


@router.get("/sources/{source}", operation_id="get_source", summary="Get a source", response_model=StoredSource)
async def get_source(request: Request, subject: SourcesReadOne, source: Ref, fields: Fields = None) -> Response:
    """Return a source; secrets stand in it by name."""
    return JsonAnswer(cut(await _sources(request).get(subject, source), StoredSource, fields))


@router.put("/sources/{source}", operation_id="replace_source", summary="Replace a source", response_model=StoredSource)
async def replace_source(request: Request, subject: SourcesWriteOne, source: Ref, new: SourceReplace) -> Response:
    """Give a source other settings; its name and kind stay. Runs use them from the next node on that opens it."""
    return JsonAnswer(await _sources(request).replace(subject, source, new))


@router.delete("/sources/{source}", status_code=204, operation_id="delete_source", summary="Delete a source", responses={409: {}})
async def delete_source(request: Request, subject: SourcesWrite, source: Ref) -> Response:
    """Delete a source that no workflow uses."""
    await _sources(request).delete(subject, source)
    return Response(status_code=204)


@router.post("/sources/{source}/test", operation_id="test_source", summary="Try a source", response_model=SourceTest)
async def test_source(request: Request, subject: SourcesTestOne, source: Ref) -> Response:
    """Open the source as a node would, and ask for next to nothing. A source that does not answer is no error of this request."""
    return JsonAnswer(await _sources(request).test(subject, source))
