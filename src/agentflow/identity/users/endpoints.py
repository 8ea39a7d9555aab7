"""REST: the accounts that an organisation administers."""

from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import UsersRead, UsersWrite
from agentflow.identity.once import once
from agentflow.identity.users.schemas import User, UserCreate, UserUpdate
from agentflow.identity.users.service import UserService
from agentflow.identity.wire import UUID_EXAMPLE
from agentflow.kit.pagination import PageRequest

router = slice_router("/api/v1/users", "users")

UserId = Annotated[str, Path(description="Id of the user.", examples=[UUID_EXAMPLE], max_length=64)]


def _users(request: Request) -> UserService:
    service: UserService = request.app.state.container.identity.users
    return service


@router.post("", status_code=201, operation_id="create_user", summary="Make an account", response_model=User)
async def create_user(request: Request, subject: UsersWrite, new: UserCreate, idempotency: IdempotencyKey) -> Response:
    """Make an account for a person or a service, as a member of the organisation. Nobody gives roles beyond their own rights."""
    made = await once(request, subject, idempotency, User, lambda: _users(request).create(subject, new))
    return JsonAnswer(made, 201, {"Location": f"/api/v1/users/{made.id}"})


@router.get("", operation_id="list_users", summary="List accounts", response_model=PageOf[User])
async def list_users(
    request: Request,
    subject: UsersRead,
    page: Annotated[PageRequest, Depends(paging("username"))],
    kind: Annotated[Literal["person", "guest", "service"] | None, Query(description="Only of this kind.")] = None,
    fields: Fields = None,
) -> Response:
    """List the accounts that the organisation administers, by name. Members that came from elsewhere are in `/tenants/current/members`."""
    return page_answer(await _users(request).list(subject, kind, page), User, fields, count=page.count)


@router.get("/{user_id}", operation_id="get_user", summary="Get an account", response_model=User)
async def get_user(request: Request, subject: UsersRead, user_id: UserId) -> Response:
    """Return one account."""
    return JsonAnswer(await _users(request).get(subject, user_id))


@router.patch("/{user_id}", operation_id="update_user", summary="Change an account", response_model=User)
async def update_user(request: Request, subject: UsersWrite, user_id: UserId, new: UserUpdate) -> Response:
    """Change, shut or open an account. Its roles are changed in `/tenants/current/members/{user_id}`."""
    return JsonAnswer(await _users(request).update(subject, user_id, new))


@router.delete("/{user_id}", status_code=204, operation_id="delete_user", summary="Delete an account")
async def delete_user(request: Request, subject: UsersWrite, user_id: UserId) -> Response:
    """Delete an account with its sessions and keys; what it made stays."""
    await _users(request).delete(subject, user_id)
    return Response(status_code=204)
