"""REST: registering, signing in and out, and who the caller is."""

from typing import Annotated

from fastapi import Body as Payload
from fastapi import Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.errors import Invalid, Unauthenticated
from agentflow.identity.accounts.doors import (
    NO_STORE,
    accounts,
    browser_signed_in,
    device_of,
    drop_cookie,
    registration,
    session_of,
    sessions,
    set_cookie,
    sign_in,
    signed_in,
)
from agentflow.identity.accounts.errors import AccountExists
from agentflow.identity.accounts.schemas import (
    AccessToken,
    Account,
    AccountUpdate,
    BrowserSignedIn,
    Granted,
    Login,
    Logout,
    Me,
    Refresh,
    Register,
    SignedIn,
    TenantChoice,
    TokenPair,
)
from agentflow.identity.accounts.shown import account_of
from agentflow.identity.accounts.sign_in import Entry
from agentflow.identity.auth import Signed, authenticate, presented
from agentflow.identity.subject import Subject
from agentflow.identity.tenants.schemas import InvitationAccept

router = slice_router("/api/v1/auth", "auth")


@router.get("/me", operation_id="get_me", summary="Who am I", response_model=Me)
async def get_me(request: Request, subject: Signed) -> Response:
    """Return the user, the organisation and the permissions that the credential of this request stands for now."""
    assert subject.credential is not None  # noqa: S101 - every request comes with one
    granted = sorted(subject.grants.items())
    me = Me(
        tenant_id=subject.tenant_id,
        user_id=subject.user_id,
        username=subject.username,
        account=account_of(await accounts(request).get(subject.user_id)),
        roles=sorted(subject.roles),
        teams=sorted(subject.teams),
        permissions=sorted(subject.permissions),
        grants=[Granted(kind=resource.kind, id=resource.id, permissions=sorted(allowed)) for resource, allowed in granted],
        credential=subject.credential.kind,
        credential_id=subject.credential.id,
    )
    return JsonAnswer(me)


@router.patch("/me", operation_id="update_me", summary="Change my account", response_model=Account)
async def update_me(request: Request, subject: Signed, new: AccountUpdate) -> Response:
    """Change one's name for people, or mail address. Roles and organisations are not among what one changes oneself."""
    session_of(subject)
    return JsonAnswer(account_of(await accounts(request).update(subject.user_id, new, device_of(request))))


@router.post("/register", status_code=201, operation_id="register", summary="Make an account", response_model=SignedIn)
async def register(request: Request, new: Register) -> Response:
    """Make an account and sign in. A guest who sends the own access token along becomes a full account and keeps all there is."""
    entry = await registration(request).register(new, device_of(request), await _guest(request))
    return await signed_in(request, entry, status=201)


async def _guest(request: Request) -> str | None:
    """Return the id of the guest who asks for a full account; None when nobody is signed in."""
    if presented(request) is None:
        return None
    subject = await authenticate(request)
    session_of(subject)
    if (await accounts(request).get(subject.user_id)).kind != "guest":
        raise AccountExists("You have a full account already.", hint="Sign out first, to make another.")
    return subject.user_id


@router.post("/guest", status_code=201, operation_id="enter_as_guest", summary="Come in as a guest", response_model=SignedIn)
async def enter_as_guest(request: Request) -> Response:
    """Make an account without a name or password, in an organisation of its own, where the server takes guests."""
    return await signed_in(request, await registration(request).guest(device_of(request)), status=201)


@router.post("/login", operation_id="login", summary="Sign in", response_model=SignedIn | BrowserSignedIn)
async def login(request: Request, given: Login) -> Response:
    """Sign in by name or mail address. With `browser` a cookie is set, which scripts cannot read, and the answer holds no tokens."""
    entry = await sign_in(request).enter(given.username, given.password, given.code, device_of(request))
    return await browser_signed_in(request, entry) if given.browser else await signed_in(request, entry)


@router.post("/token", operation_id="get_token", summary="Sign in (OAuth 2 form)", response_model=SignedIn)
async def get_token(
    request: Request,
    username: Annotated[str, Form(min_length=1, max_length=254, description="Name, or mail address.", examples=["ada"])],
    password: Annotated[str, Form(max_length=256, description="Password.", examples=["four words nobody guesses"])],
    grant_type: Annotated[str | None, Form(max_length=100, description="Always `password`.", examples=["password"])] = None,
) -> Response:
    """Sign in as OAuth 2 clients do, with a form; the page of these docs has a button for it."""
    if grant_type not in (None, "password"):
        raise Invalid("grant_type must be password.", hint="Refresh tokens are exchanged at /api/v1/auth/refresh.")
    return await signed_in(request, await sign_in(request).enter(username, password, None, device_of(request)))


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
    user_id = await request.app.state.container.owners.redeem(token)
    user = await accounts(request).get(user_id)
    answer = RedirectResponse("/docs", 303, NO_STORE)
    await set_cookie(request, answer, Entry(user, user.tenant_id))
    return answer


@router.post("/refresh", operation_id="refresh", summary="Exchange a refresh token", response_model=TokenPair)
async def refresh(request: Request, given: Refresh) -> Response:
    """Exchange a refresh token for the next pair. One that is used a second time ends the session: somebody else may have it."""
    tokens = await sessions(request).refresh(given.refresh_token)
    body = TokenPair(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in)
    return JsonAnswer(body, 200, NO_STORE)


@router.post("/logout", status_code=204, operation_id="logout", summary="Sign out")
async def logout(request: Request, subject: Signed, how: Annotated[Logout, Payload()] = Logout()) -> Response:  # noqa: B008 - frozen
    """End this session, or with `everywhere` every session of the user; API keys go on."""
    if how.everywhere:
        await sessions(request).revoke_all(_unrestricted(subject).user_id, subject, "signed out everywhere")
    else:
        await sessions(request).revoke(subject, session_of(subject))
    request.app.state.container.credentials.forget()
    answer = Response(status_code=204)
    drop_cookie(request, answer)
    return answer


def _unrestricted(subject: Subject) -> Subject:
    if subject.credential is None or subject.credential.is_restricted:
        raise Unauthenticated("A key with scopes signs nobody out.", hint="Sign in, or use a key that may do all you may.")
    return subject


@router.post("/tenant", operation_id="switch_tenant", summary="Work in another organisation", response_model=AccessToken)
async def switch_tenant(request: Request, subject: Signed, choice: TenantChoice) -> Response:
    """Let this session work in another organisation that one is a member of. The refresh token stays as it is; a browser goes on by cookie."""
    session_id = session_of(subject)
    token, expires_in = await request.app.state.container.identity.switching.enter(subject, session_id, choice.tenant_id)
    request.app.state.container.credentials.forget()
    return JsonAnswer(AccessToken(access_token=token, expires_in=expires_in, tenant_id=choice.tenant_id), 200, NO_STORE)


@router.post("/invitation", operation_id="accept_invitation", summary="Accept an invitation", response_model=TenantChoice)
async def accept_invitation(request: Request, subject: Signed, given: InvitationAccept) -> Response:
    """Become a member of the organisation that invites. `POST /auth/tenant` lets one work in it."""
    session_of(subject)
    user = await accounts(request).get(subject.user_id)
    return JsonAnswer(TenantChoice(tenant_id=await registration(request).accept(given.token, user)))
