"""REST: who the caller is, and signing in with the one-time link."""

from typing import Annotated

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.identity.auth import COOKIE, Signed
from agentflow.identity.credentials import SESSION_LIFETIME, Credentials
from agentflow.identity.permissions import Permission

router = slice_router("/api/v1/auth", "auth")


class Me(BaseModel):
    """The caller as the server sees it."""

    tenant_id: str = Field(description="The tenant whose data the caller sees.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    user_id: str = Field(description="The acting user.", examples=["019a9f3e-8d5d-7f10-8a61-5c8e2f0b7d11"])
    username: str = Field(description="The user's name.", examples=["owner"])
    permissions: list[Permission] = Field(description="What the caller may do.", examples=[["workflows:read", "workflows:write"]])


@router.get("/me", operation_id="get_me", summary="Who am I", response_model=Me)
async def get_me(subject: Signed) -> Response:
    """Return the user, the tenant and the permissions that the credential of this request stands for."""
    me = Me(tenant_id=subject.tenant_id, user_id=subject.user_id, username=subject.username, permissions=sorted(subject.permissions))
    return JsonAnswer(me)


@router.get(
    "/link",
    operation_id="redeem_link",
    summary="Sign in with a one-time link",
    status_code=303,
    response_class=RedirectResponse,
    responses={303: {"description": "Signed in; the cookie is set and the browser goes to /docs."}},
)
async def redeem_link(
    request: Request,
    token: Annotated[str, Query(min_length=1, max_length=200, description="The token of the link that `agentflow serve` printed.")],
) -> Response:
    """Exchange the token of a sign-in link for a session cookie. A token works once, for fifteen minutes."""
    credentials: Credentials = request.app.state.container.credentials
    answer = RedirectResponse("/docs", 303)
    answer.set_cookie(
        COOKIE,
        await credentials.redeem(token),
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer
