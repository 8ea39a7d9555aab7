"""REST: collections, their documents, and searching them."""

from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import FORM, file_of, media_type, slice_router
from agentflow.errors import Malformed, Unsupported
from agentflow.identity.auth import CollectionsReadOne, CollectionsWrite
from agentflow.kit import json
from agentflow.kit.pagination import PageRequest
from agentflow.knowledge.collections.ingest import Chunking
from agentflow.knowledge.collections.schemas import (
    Collection,
    CollectionCreate,
    Document,
    DocumentsAdd,
    DocumentsAdded,
    FileFields,
    SearchMatch,
    SearchRequest,
    SearchResult,
)
from agentflow.knowledge.collections.service import CollectionService

router = slice_router("/api/v1", "collections")

Ref = Annotated[str, Path(description="Id of the collection, or its name.", examples=["papers"], max_length=100)]
DocumentId = Annotated[str, Path(description="Id of the document.", examples=["guide.md"], max_length=200)]
_JSON = "application/json"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {"schema": DocumentsAdd.inlined()},
            FORM: {"schema": FileFields.with_file()},
        },
    }
}


def _collections(request: Request) -> CollectionService:
    service: CollectionService = request.app.state.container.collections
    return service


@router.post("/collections", status_code=201, operation_id="create_collection", summary="Create a collection", response_model=Collection)
async def create_collection(request: Request, subject: CollectionsWrite, new: CollectionCreate, idempotency: IdempotencyKey) -> Response:
    """Create an empty collection; it keeps the embedding model it is made with."""
    made = await _collections(request).create(subject, new, idempotency=idempotency)
    return JsonAnswer(made, 201, {"Location": f"/api/v1/collections/{made.id}"})


@router.get("/collections", operation_id="list_collections", summary="List collections", response_model=PageOf[Collection])
async def list_collections(
    request: Request, subject: CollectionsReadOne, page: Annotated[PageRequest, Depends(paging("name"))], fields: Fields = None
) -> Response:
    """List collections by name."""
    return page_answer(await _collections(request).list(subject, page), Collection, fields, count=page.count)


@router.get("/collections/{collection}", operation_id="get_collection", summary="Get a collection", response_model=Collection)
async def get_collection(request: Request, subject: CollectionsReadOne, collection: Ref, fields: Fields = None) -> Response:
    """Return one collection with its counts."""
    return JsonAnswer(cut(await _collections(request).get(subject, collection), Collection, fields))


@router.delete("/collections/{collection}", status_code=204, operation_id="delete_collection", summary="Delete a collection")
async def delete_collection(request: Request, subject: CollectionsWrite, collection: Ref) -> Response:
    """Delete a collection with its documents. This cannot be undone."""
    await _collections(request).delete(subject, collection)
    return Response(status_code=204)


@router.post(
    "/collections/{collection}/documents",
    status_code=201,
    operation_id="add_documents",
    summary="Add documents",
    response_model=DocumentsAdded,
    openapi_extra=_BODY,
)
async def add_documents(request: Request, subject: CollectionsWrite, collection: Ref, idempotency: IdempotencyKey) -> Response:
    """Add texts as JSON, or one file (text, Markdown, HTML, CSV, PDF) as multipart/form-data. A document with the same id is replaced."""
    service = _collections(request)
    kind = media_type(request)
    if kind == FORM:
        return JsonAnswer(await _add_file(request, service, subject, collection, idempotency), 201)
    if kind != _JSON:
        raise Unsupported(f"This reads {_JSON} and {FORM}, not {kind[:100] or 'a body without Content-Type'}.", hint="Set Content-Type.")
    new = _valid(DocumentsAdd, await request.json())
    return JsonAnswer(await service.add(subject, collection, new, idempotency=idempotency), 201)


async def _add_file(
    request: Request, service: CollectionService, subject: CollectionsWrite, collection: str, idempotency: IdempotencyKey
) -> DocumentsAdded:
    async with file_of(request, max_fields=20) as (file, form):
        values: dict[str, Any] = {name: value for name, value in form.items() if name != "file"}
        values |= {"id": values.get("id") or file.filename or None, "metadata": _metadata(values.get("metadata"))}
        fields = _valid(FileFields, values)
        return await service.add_file(
            subject,
            collection,
            await file.read(),
            filename=file.filename,
            declared_type=fields.content_type or file.content_type,
            document_id=fields.id,
            metadata=fields.metadata,
            chunking=Chunking(fields.chunk_size, fields.chunk_overlap),
            idempotency=idempotency,
        )


def _metadata(text: Any) -> Any:
    if not isinstance(text, str) or not text.strip():
        return {}
    try:
        return json.loads(text)
    except json.InvalidJson as error:
        raise Malformed(f"The form's field metadata is not acceptable JSON: {error}.") from error


def _valid(model: Any, value: Any) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in found]) from error


@router.get("/collections/{collection}/documents", operation_id="list_documents", summary="List documents", response_model=PageOf[Document])
async def list_documents(
    request: Request,
    subject: CollectionsReadOne,
    collection: Ref,
    page: Annotated[PageRequest, Depends(paging("id"))],
    fields: Fields = None,
) -> Response:
    """List a collection's documents by id."""
    return page_answer(await _collections(request).list_documents(subject, collection, page), Document, fields, count=page.count)


@router.delete(
    "/collections/{collection}/documents/{document_id:path}",
    status_code=204,
    operation_id="delete_document",
    summary="Delete a document",
)
async def delete_document(request: Request, subject: CollectionsWrite, collection: Ref, document_id: DocumentId) -> Response:
    """Delete a document with its chunks."""
    await _collections(request).delete_document(subject, collection, document_id)
    return Response(status_code=204)


@router.post("/collections/{collection}/search", operation_id="search_collection", summary="Search", response_model=SearchResult)
async def search_collection(request: Request, subject: CollectionsReadOne, collection: Ref, wanted: SearchRequest) -> Response:
    """Return the chunks nearest to a text or vector, best first."""
    found = await _collections(request).search(subject, collection, wanted)
    matches = [
        SearchMatch(id=match.id, text=match.text, score=match.score, metadata=dict(match.metadata), document_id=match.document_id or "")
        for match in found
    ]
    return JsonAnswer(SearchResult(matches=matches))
