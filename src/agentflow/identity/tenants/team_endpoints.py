"""REST: teams, and grants on single things."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.headers import IdempotencyKey
from agentflow.endpoints.lists import Fields, PageOf, page_answer, paging
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import GrantsRead, GrantsWrite, TeamsRead, TeamsWrite
from agentflow.identity.once import once
from agentflow.identity.subject import ResourceKind
from agentflow.identity.tenants.grants import GrantService
from agentflow.identity.tenants.schemas import Grant, GrantCreate, Team, TeamList, TeamWrite
from agentflow.identity.tenants.teams import Teams
from agentflow.identity.wire import UUID_EXAMPLE
from agentflow.kit.pagination import PageRequest

router = slice_router("/api/v1", "teams")

TeamId = Annotated[str, Path(description="Id of the team.", examples=[UUID_EXAMPLE], max_length=64)]
UserId = Annotated[str, Path(description="Id of the user.", examples=[UUID_EXAMPLE], max_length=64)]
GrantId = Annotated[str, Path(description="Id of the grant.", examples=[UUID_EXAMPLE], max_length=64)]


def _teams(request: Request) -> Teams:
    service: Teams = request.app.state.container.identity.teams
    return service


def _grants(request: Request) -> GrantService:
    service: GrantService = request.app.state.container.identity.grants
    return service


@router.get("/teams", operation_id="list_teams", summary="List teams", response_model=TeamList)
async def list_teams(request: Request, subject: TeamsRead) -> Response:
    """List the teams of the organisation with their members."""
    return JsonAnswer(TeamList(items=await _teams(request).list(subject)))


@router.post("/teams", status_code=201, operation_id="create_team", summary="Make a team", response_model=Team)
async def create_team(request: Request, subject: TeamsWrite, new: TeamWrite, idempotency: IdempotencyKey) -> Response:
    """Make a team without members."""
    made = await once(request, subject, idempotency, Team, lambda: _teams(request).create(subject, new))
    return JsonAnswer(made, 201, {"Location": f"/api/v1/teams/{made.id}"})


@router.get("/teams/{team_id}", operation_id="get_team", summary="Get a team", response_model=Team)
async def get_team(request: Request, subject: TeamsRead, team_id: TeamId) -> Response:
    """Return one team with its members."""
    return JsonAnswer(await _teams(request).get(subject, team_id))


@router.put("/teams/{team_id}", operation_id="update_team", summary="Change a team", response_model=Team)
async def update_team(request: Request, subject: TeamsWrite, team_id: TeamId, new: TeamWrite) -> Response:
    """Change a team's name and description."""
    return JsonAnswer(await _teams(request).update(subject, team_id, new))


@router.delete("/teams/{team_id}", status_code=204, operation_id="delete_team", summary="Delete a team")
async def delete_team(request: Request, subject: TeamsWrite, team_id: TeamId) -> Response:
    """Delete a team with what is granted to it."""
    await _teams(request).delete(subject, team_id)
    return Response(status_code=204)


@router.put("/teams/{team_id}/members/{user_id}", operation_id="add_team_member", summary="Let somebody into a team", response_model=Team)
async def add_team_member(request: Request, subject: TeamsWrite, team_id: TeamId, user_id: UserId) -> Response:
    """Let a member of the organisation into a team."""
    changed = await _teams(request).join(subject, team_id, user_id)
    return JsonAnswer(changed)


@router.delete(
    "/teams/{team_id}/members/{user_id}", status_code=204, operation_id="remove_team_member", summary="Let somebody out of a team"
)
async def remove_team_member(request: Request, subject: TeamsWrite, team_id: TeamId, user_id: UserId) -> Response:
    """Let a member out of a team."""
    await _teams(request).leave(subject, team_id, user_id)
    return Response(status_code=204)


@router.get("/grants", operation_id="list_grants", summary="List grants", response_model=PageOf[Grant])
async def list_grants(
    request: Request,
    subject: GrantsRead,
    page: Annotated[PageRequest, Depends(paging("id"))],
    resource_kind: Annotated[ResourceKind | None, Query(description="Only on things of this kind.")] = None,
    resource_id: Annotated[str | None, Query(description="Only on this thing.", max_length=64)] = None,
    grantee_id: Annotated[str | None, Query(description="Only of this user or team.", max_length=64)] = None,
    fields: Fields = None,
) -> Response:
    """List who may do what on single workflows, sources and collections."""
    given = {"resource_kind": resource_kind, "resource_id": resource_id, "grantee_id": grantee_id}
    wanted = {name: value for name, value in given.items() if value is not None}
    return page_answer(await _grants(request).list(subject, page, wanted), Grant, fields, count=page.count)


@router.post("/grants", status_code=201, operation_id="create_grant", summary="Grant something", response_model=Grant)
async def create_grant(request: Request, subject: GrantsWrite, new: GrantCreate, idempotency: IdempotencyKey) -> Response:
    """Let a member or team do on a single thing what a role allows."""
    made = await once(request, subject, idempotency, Grant, lambda: _grants(request).create(subject, new))
    return JsonAnswer(made, 201)


@router.delete("/grants/{grant_id}", status_code=204, operation_id="delete_grant", summary="Take a grant back")
async def delete_grant(request: Request, subject: GrantsWrite, grant_id: GrantId) -> Response:
    """Take a grant back."""
    await _grants(request).delete(subject, grant_id)
    return Response(status_code=204)
