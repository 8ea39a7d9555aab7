"""REST: secrets, write-only, and the master key they are sealed under."""

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, cut, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import SecretsRead, SecretsRotate, SecretsWrite
from agentflow.kit.pagination import PageRequest
from agentflow.secrets.schemas import Rotation, Secret, SecretCreate, SecretReplace
from agentflow.secrets.service import SecretService

router = slice_router("/api/v1", "secrets")

Ref = Annotated[str, Path(description="Id of the secret, or its name.", examples=["SHOP_PASSWORD"], max_length=100)]


def _secrets(request: Request) -> SecretService:
    service: SecretService = request.app.state.container.secrets
    return service


@router.post("/secrets", status_code=201, operation_id="create_secret", summary="Store a secret", response_model=Secret)
async def create_secret(request: Request, subject: SecretsWrite, new: SecretCreate, idempotency: IdempotencyKey) -> Response:
    """Store a new secret. Its value can be used in sources as `{{ secrets.NAME }}` and is never returned."""
    made = await _secrets(request).create(subject, new, idempotency=idempotency)
    return JsonAnswer(made, 201, {"Location": f"/api/v1/secrets/{made.id}"})


@router.get("/secrets", operation_id="list_secrets", summary="List secrets", response_model=PageOf[Secret])
async def list_secrets(
    request: Request, subject: SecretsRead, page: Annotated[PageRequest, Depends(paging("name"))], fields: Fields = None
) -> Response:
    """List secrets by name, without their values."""
    return page_answer(await _secrets(request).list(subject, page), Secret, fields, count=page.count)


@router.post("/secrets/rotate-master-key", operation_id="rotate_master_key", summary="Change the master key", response_model=Rotation)
async def rotate_master_key(request: Request, subject: SecretsRotate) -> Response:
    """Change the master key while everything goes on; the old one is of no use afterwards. Reserved to the installation's owner."""
    return JsonAnswer(await _secrets(request).rotate_master_key(subject))


@router.get("/secrets/{secret}", operation_id="get_secret", summary="Get a secret", response_model=Secret)
async def get_secret(request: Request, subject: SecretsRead, secret: Ref, fields: Fields = None) -> Response:
    """Return what is known of a secret, without its value."""
    return JsonAnswer(cut(await _secrets(request).get(subject, secret), Secret, fields))


@router.put("/secrets/{secret}", operation_id="replace_secret", summary="Replace a secret", response_model=Secret)
async def replace_secret(request: Request, subject: SecretsWrite, secret: Ref, new: SecretReplace) -> Response:
    """Give a secret another value; whatever uses it has the new one from its next use on."""
    return JsonAnswer(await _secrets(request).replace(subject, secret, new))


@router.delete("/secrets/{secret}", status_code=204, operation_id="delete_secret", summary="Delete a secret", responses={409: {}})
async def delete_secret(request: Request, subject: SecretsWrite, secret: Ref) -> Response:
    """Delete a secret that no workflow and no source uses."""
    await _secrets(request).delete(subject, secret)
    return Response(status_code=204)
