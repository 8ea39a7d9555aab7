"""REST: API keys."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.api_keys.schemas import ApiKey, ApiKeyCreate, ApiKeyRotate, NewApiKey
from agentflow.identity.api_keys.service import ApiKeys
from agentflow.identity.auth import ApiKeysRead, ApiKeysWrite
from agentflow.identity.once import once
from agentflow.identity.wire import UUID_EXAMPLE
from agentflow.kit.pagination import PageRequest

router = slice_router("/api/v1/api-keys", "api keys")

KeyId = Annotated[str, Path(description="Id of the key.", examples=[UUID_EXAMPLE], max_length=64)]
_NO_STORE = {"Cache-Control": "no-store"}


def _keys(request: Request) -> ApiKeys:
    service: ApiKeys = request.app.state.container.identity.api_keys
    return service


@router.post("", status_code=201, operation_id="create_api_key", summary="Make an API key", response_model=NewApiKey)
async def create_api_key(request: Request, subject: ApiKeysWrite, new: ApiKeyCreate, idempotency: IdempotencyKey) -> Response:
    """Make a key for oneself, or for a service account. The secret is in this answer and nowhere else: only its hash is kept."""
    made = await once(request, subject, idempotency, NewApiKey, lambda: _keys(request).create(subject, new))
    return JsonAnswer(made, 201, {"Location": f"/api/v1/api-keys/{made.id}", **_NO_STORE})


@router.get("", operation_id="list_api_keys", summary="List API keys", response_model=PageOf[ApiKey])
async def list_api_keys(
    request: Request,
    subject: ApiKeysRead,
    page: Annotated[PageRequest, Depends(paging("id"))],
    everybody: Annotated[bool, Query(description="Those of everybody in the organisation; needs `api-keys:manage`.")] = False,
    fields: Fields = None,
) -> Response:
    """List one's keys in this organisation, revoked ones too."""
    return page_answer(await _keys(request).list(subject, page, everybody=everybody), ApiKey, fields, count=page.count)


@router.get("/{key_id}", operation_id="get_api_key", summary="Get an API key", response_model=ApiKey)
async def get_api_key(request: Request, subject: ApiKeysRead, key_id: KeyId) -> Response:
    """Return one key, without its secret."""
    return JsonAnswer(await _keys(request).get(subject, key_id))


@router.post("/{key_id}/rotate", operation_id="rotate_api_key", summary="Rotate an API key", response_model=NewApiKey)
async def rotate_api_key(
    request: Request, subject: ApiKeysWrite, key_id: KeyId, how: ApiKeyRotate, idempotency: IdempotencyKey
) -> Response:
    """Give a key a new secret, which is shown this once. The old one works on for the days of grace."""
    made = await once(request, subject, idempotency, NewApiKey, lambda: _keys(request).rotate(subject, key_id, how.grace_days))
    return JsonAnswer(made, 200, _NO_STORE)


@router.delete("/{key_id}", status_code=204, operation_id="revoke_api_key", summary="Revoke an API key")
async def revoke_api_key(request: Request, subject: ApiKeysWrite, key_id: KeyId) -> Response:
    """Make a key worthless for good, with every secret it has; on every process within five seconds."""
    await _keys(request).revoke(subject, key_id)
    return Response(status_code=204)
