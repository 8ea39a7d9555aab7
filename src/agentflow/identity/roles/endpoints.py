"""REST: roles."""

from typing import Annotated

from fastapi import Path, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import RolesRead, RolesWrite
from agentflow.identity.once import once
from agentflow.identity.roles.schemas import Role, RoleCreate, RoleList, RoleUpdate
from agentflow.identity.roles.service import RoleService

router = slice_router("/api/v1/roles", "roles")

RoleName = Annotated[str, Path(description="Name of the role.", examples=["support"], max_length=64)]


def _roles(request: Request) -> RoleService:
    service: RoleService = request.app.state.container.identity.roles
    return service


@router.get("", operation_id="list_roles", summary="List roles", response_model=RoleList)
async def list_roles(request: Request, subject: RolesRead) -> Response:
    """List the roles built in, and the organisation's own."""
    return JsonAnswer(RoleList(items=await _roles(request).list(subject)))


@router.post("", status_code=201, operation_id="create_role", summary="Make a role", response_model=Role)
async def create_role(request: Request, subject: RolesWrite, new: RoleCreate, idempotency: IdempotencyKey) -> Response:
    """Make a role of the organisation; it can allow nothing that its maker may not."""
    made = await once(request, subject, idempotency, Role, lambda: _roles(request).create(subject, new))
    return JsonAnswer(made, 201, {"Location": f"/api/v1/roles/{made.name}"})


@router.get("/{role}", operation_id="get_role", summary="Get a role", response_model=Role)
async def get_role(request: Request, subject: RolesRead, role: RoleName) -> Response:
    """Return one role with what it allows."""
    return JsonAnswer(await _roles(request).get(subject, role))


@router.put("/{role}", operation_id="update_role", summary="Change a role", response_model=Role)
async def update_role(request: Request, subject: RolesWrite, role: RoleName, new: RoleUpdate) -> Response:
    """Let a role of the organisation allow something else, for everybody who has it."""
    return JsonAnswer(await _roles(request).update(subject, role, new))


@router.delete("/{role}", status_code=204, operation_id="delete_role", summary="Delete a role")
async def delete_role(request: Request, subject: RolesWrite, role: RoleName) -> Response:
    """Delete a role that nobody has."""
    await _roles(request).delete(subject, role)
    return Response(status_code=204)
