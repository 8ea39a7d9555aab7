"""REST: organisations, members, and invitations."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import MembersRead, MembersWrite, Signed, TenantsDelete
from agentflow.identity.once import once
from agentflow.identity.tenants.invitations import Invitations
from agentflow.identity.tenants.schemas import (
    InvitationCreate,
    InvitationList,
    Member,
    MemberUpdate,
    NewInvitation,
    Tenant,
    TenantCreate,
    TenantUpdate,
)
from agentflow.identity.tenants.service import CURRENT, TenantService, not_found
from agentflow.identity.wire import UUID_EXAMPLE
from agentflow.kit.pagination import PageRequest

router = slice_router("/api/v1/tenants", "tenants")

TenantRef = Annotated[str, Path(description="Id of the organisation, or `current`.", examples=[CURRENT], max_length=64)]
UserId = Annotated[str, Path(description="Id of the user.", examples=[UUID_EXAMPLE], max_length=64)]
InvitationId = Annotated[str, Path(description="Id of the invitation.", examples=[UUID_EXAMPLE], max_length=64)]


def _tenants(request: Request) -> TenantService:
    service: TenantService = request.app.state.container.identity.tenants
    return service


def _invitations(request: Request) -> Invitations:
    service: Invitations = request.app.state.container.identity.invitations
    return service


def _require_own(subject: Signed, ref: str) -> None:
    """Let nobody look into an organisation that they do not work in now: what is not there and what is foreign look the same."""
    if ref not in (CURRENT, subject.tenant_id):
        raise not_found()


@router.post("", status_code=201, operation_id="create_tenant", summary="Make an organisation", response_model=Tenant)
async def create_tenant(request: Request, subject: Signed, new: TenantCreate, idempotency: IdempotencyKey) -> Response:
    """Make an organisation that one owns. `POST /auth/tenant` lets one work in it."""
    made = await once(request, subject, idempotency, Tenant, lambda: _tenants(request).create(subject, new))
    return JsonAnswer(made, 201, {"Location": f"/api/v1/tenants/{made.id}"})


@router.get("", operation_id="list_tenants", summary="List organisations", response_model=PageOf[Tenant])
async def list_tenants(
    request: Request,
    subject: Signed,
    page: Annotated[PageRequest, Depends(paging("name"))],
    everybody: Annotated[bool, Query(description="All of the installation; needs `tenants:manage`.")] = False,
    fields: Fields = None,
) -> Response:
    """List the organisations one is a member of, by name."""
    return page_answer(await _tenants(request).list(subject, page, everybody=everybody), Tenant, fields, count=page.count)


@router.get("/{tenant}", operation_id="get_tenant", summary="Get an organisation", response_model=Tenant)
async def get_tenant(request: Request, subject: Signed, tenant: TenantRef) -> Response:
    """Return the organisation one works in."""
    return JsonAnswer(await _tenants(request).get(subject, tenant))


@router.patch("/{tenant}", operation_id="update_tenant", summary="Change an organisation", response_model=Tenant)
async def update_tenant(request: Request, subject: Signed, tenant: TenantRef, new: TenantUpdate) -> Response:
    """Change its name, or with `tenants:manage` what any organisation may use."""
    return JsonAnswer(await _tenants(request).update(subject, tenant, new))


@router.delete("/{tenant}", status_code=204, operation_id="delete_tenant", summary="Delete an organisation")
async def delete_tenant(request: Request, subject: TenantsDelete, tenant: TenantRef) -> Response:
    """Delete an organisation: every session, key and stream in it ends."""
    _require_own(subject, tenant)
    await _tenants(request).delete(subject, tenant)
    return Response(status_code=204)


@router.get("/{tenant}/members", operation_id="list_members", summary="List members", response_model=PageOf[Member])
async def list_members(
    request: Request,
    subject: MembersRead,
    tenant: TenantRef,
    page: Annotated[PageRequest, Depends(paging("username"))],
    fields: Fields = None,
) -> Response:
    """List the members of the organisation one works in, by name."""
    _require_own(subject, tenant)
    return page_answer(await _tenants(request).list_members(subject, page), Member, fields, count=page.count)


@router.get("/{tenant}/members/{user_id}", operation_id="get_member", summary="Get a member", response_model=Member)
async def get_member(request: Request, subject: MembersRead, tenant: TenantRef, user_id: UserId) -> Response:
    """Return one member."""
    _require_own(subject, tenant)
    return JsonAnswer(await _tenants(request).get_member(subject, user_id))


@router.put("/{tenant}/members/{user_id}", operation_id="update_member", summary="Change a member's roles", response_model=Member)
async def update_member(request: Request, subject: MembersWrite, tenant: TenantRef, user_id: UserId, new: MemberUpdate) -> Response:
    """Give a member other roles. Nobody gives what they do not have, nor changes their own."""
    _require_own(subject, tenant)
    changed = await _tenants(request).update_member(subject, user_id, new.roles)
    return JsonAnswer(changed)


@router.delete("/{tenant}/members/{user_id}", status_code=204, operation_id="remove_member", summary="Remove a member")
async def remove_member(request: Request, subject: Signed, tenant: TenantRef, user_id: UserId) -> Response:
    """Let a member go, or go oneself. Their keys, teams and grants in the organisation go too."""
    _require_own(subject, tenant)
    await _tenants(request).remove_member(subject, user_id)
    return Response(status_code=204)


@router.get("/{tenant}/invitations", operation_id="list_invitations", summary="List invitations", response_model=InvitationList)
async def list_invitations(request: Request, subject: MembersRead, tenant: TenantRef) -> Response:
    """List the invitations that can still be accepted."""
    _require_own(subject, tenant)
    return JsonAnswer(InvitationList(items=await _invitations(request).list(subject)))


@router.post(
    "/{tenant}/invitations", status_code=201, operation_id="create_invitation", summary="Invite somebody", response_model=NewInvitation
)
async def create_invitation(
    request: Request, subject: MembersWrite, tenant: TenantRef, new: InvitationCreate, idempotency: IdempotencyKey
) -> Response:
    """Invite a mail address. The token is sent there, and stands in this answer once, for servers that send no mail."""
    _require_own(subject, tenant)
    made = await once(request, subject, idempotency, NewInvitation, lambda: _invitations(request).create(subject, new.email, new.roles))
    return JsonAnswer(made, 201, {"Cache-Control": "no-store"})


@router.delete(
    "/{tenant}/invitations/{invitation_id}", status_code=204, operation_id="revoke_invitation", summary="Take an invitation back"
)
async def revoke_invitation(request: Request, subject: MembersWrite, tenant: TenantRef, invitation_id: InvitationId) -> Response:
    """Make an invitation worthless."""
    _require_own(subject, tenant)
    await _invitations(request).revoke(subject, invitation_id)
    return Response(status_code=204)
