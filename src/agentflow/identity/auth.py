"""The gates of REST endpoints: who may call stands in the type of a parameter (``subject: RunsRead``)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, TypeAlias

from fastapi import Depends, Request

from agentflow.endpoints.edges import PASSAGE
from agentflow.errors import Forbidden, Malformed, Unauthenticated
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Presented, Subject
from agentflow.identity.traffic import Passage

COOKIE = "agentflow_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Over TLS: browsers then take it from this very host only, for all paths, and never send it in the clear."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


ENROLLING = frozenset(
    {
        *("get_me", "register", "change_password", "begin_second_factor", "confirm_second_factor"),
        *("switch_tenant", "revoke_session", "logout"),
    }
)
"""Operations for who signed in without the second factor that is demanded: those that lead to one, and out again."""

RECHECK_S = 5.0
"""Seconds between two looks whether the reader of a stream is still let in."""


class SecondFactorDemanded(Forbidden):
    """Everybody here, in the installation or the organisation, has to have a second factor, and this session has not shown one."""

    code, title = "SECOND_FACTOR_DEMANDED", "Second factor demanded"


class Authenticator(Protocol):
    """Turns a credential into a caller."""

    async def authenticate(self, secret: str, kind: Presented) -> Subject:
        """Return whom a credential stands for, or raise Unauthenticated."""
        ...

    def is_known(self, secret: str, kind: Presented) -> bool:
        """Tell whether a credential was good not long ago, as far as this process remembers."""
        ...

    async def still(self, secret: str, kind: Presented, subject: Subject) -> Subject | None:
        """Return the caller as of now, or None when the credential is not good any more."""
        ...


async def authenticate(request: Request) -> Subject:
    """Turn the credential of a request into a subject: ``X-API-Key``, ``Authorization: Bearer`` (key or access token), or the cookie.

    Raises:
        Unauthenticated: none, or one that is not valid.
        Malformed: more than one: nobody could say which of them counts.
        Forbidden: a cookie on a changing request that does not come from this site (CSRF).
        SecondFactorDemanded: the session has not shown the second factor that is demanded of everybody.
        TooManyRequests: a limit is reached.
    """
    authenticator: Authenticator = request.app.state.container.credentials
    shown = presented(request)
    if shown is None:
        raise Unauthenticated("This needs a credential.", hint="Send a key as X-API-Key, or an access token as Authorization: Bearer.")
    if shown[1] is Presented.COOKIE and request.method not in SAFE_METHODS and not _same_origin(request):
        raise Forbidden("A request with the browser's cookie must come from this site.", hint="Use an API key from elsewhere.")
    passage: Passage = request.scope[PASSAGE]
    passage.look_at(lambda: authenticator.is_known(*shown))
    try:
        subject = await authenticator.authenticate(*shown)
    except Unauthenticated:
        passage.fail()
        raise
    request.state.subject = subject  # a refusal is noted under it
    route = request.scope.get("route")
    await passage.enter_as(subject, f"{request.method} {getattr(route, 'path', '')}")
    if subject.credential is not None and subject.credential.lacks_factor and getattr(route, "operation_id", None) not in ENROLLING:
        raise SecondFactorDemanded(
            "A second factor is demanded of everybody here.",
            hint="POST /api/v1/auth/totp begins one, POST /api/v1/auth/totp/confirm turns it on. With one, sign in again with a code.",
        )
    return subject


def presented(request: Request) -> tuple[str, Presented] | None:
    """Return the credential that a request shows, and its kind; None without any.

    Raises:
        Unauthenticated: the Authorization header is not one of ours.
        Malformed: there is more than one.
    """
    keys, bearers = request.headers.getlist("x-api-key"), request.headers.getlist("authorization")
    if len(keys) + len(bearers) > 1:
        raise Malformed("The request shows more than one credential.", hint="Send X-API-Key or Authorization, once.")
    if keys:
        return keys[0], Presented.KEY
    if bearers:
        secret = _bearer(bearers[0])
        # An access token has two dots, and a key has none.
        return secret, Presented.TOKEN if "." in secret else Presented.KEY
    cookie = request.cookies.get(SECURE_COOKIE if request.url.scheme == "https" else COOKIE)
    return None if cookie is None else (cookie, Presented.COOKIE)


async def until_refused(request: Request, subject: Subject, permission: Permission) -> None:
    """Wait until the caller of a long-lived stream is not let in any more: gone, or without the permission or the second factor it takes."""
    authenticator: Authenticator = request.app.state.container.credentials
    shown = presented(request)
    while shown is not None:
        await asyncio.sleep(RECHECK_S)
        now = await authenticator.still(*shown, subject)
        if now is None or (permission in subject.permissions and permission not in now.permissions):
            return
        if now.credential is not None and now.credential.lacks_factor:
            return


def gate(permission: Permission) -> Callable[[Request], Awaitable[Subject]]:
    """Return a dependency that lets only subjects with ``permission`` on everything pass."""

    async def check(request: Request) -> Subject:
        subject = await authenticate(request)
        subject.require(permission)
        return subject

    return check


def gate_to_one(permission: Permission) -> Callable[[Request], Awaitable[Subject]]:
    """Return a dependency that also lets those pass who have ``permission`` on single things; the service asks about the thing itself."""

    async def check(request: Request) -> Subject:
        subject = await authenticate(request)
        subject.require_somewhere(permission)
        return subject

    return check


def _bearer(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise Unauthenticated("The Authorization header must read: Bearer <key or access token>.")
    return value.strip()


def _same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


Signed: TypeAlias = Annotated[Subject, Depends(authenticate)]
ApiKeysRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.API_KEYS_READ))]
ApiKeysWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.API_KEYS_WRITE))]
ArtifactsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.ARTIFACTS_READ))]
ArtifactsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.ARTIFACTS_WRITE))]
AuditRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.AUDIT_READ))]
CollectionsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.COLLECTIONS_READ))]
CollectionsReadOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.COLLECTIONS_READ))]
CollectionsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.COLLECTIONS_WRITE))]
GrantsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.GRANTS_READ))]
GrantsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.GRANTS_WRITE))]
MembersRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.MEMBERS_READ))]
MembersWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.MEMBERS_WRITE))]
MetricsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.METRICS_READ))]
NodeTypesRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.NODE_TYPES_READ))]
RolesRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.ROLES_READ))]
RolesWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.ROLES_WRITE))]
RunsApprove: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_APPROVE))]
RunsCancel: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_CANCEL))]
RunsDelete: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_DELETE))]
RunsPause: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_PAUSE))]
RunsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_READ))]
RunsSignal: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_SIGNAL))]
RunsReadOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.RUNS_READ))]
SecretsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.SECRETS_READ))]
SecretsRotate: TypeAlias = Annotated[Subject, Depends(gate(Permission.SECRETS_ROTATE))]
SecretsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.SECRETS_WRITE))]
SourcesReadOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.SOURCES_READ))]
SourcesTestOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.SOURCES_TEST))]
SourcesWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.SOURCES_WRITE))]
SourcesWriteOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.SOURCES_WRITE))]
TeamsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.TEAMS_READ))]
TeamsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.TEAMS_WRITE))]
TenantsDelete: TypeAlias = Annotated[Subject, Depends(gate(Permission.TENANTS_DELETE))]
UsersRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.USERS_READ))]
UsersWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.USERS_WRITE))]
VariablesRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.VARIABLES_READ))]
VariablesWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.VARIABLES_WRITE))]
WorkflowsConfirmOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.WORKFLOWS_CONFIRM))]
WorkflowsExecute: TypeAlias = Annotated[Subject, Depends(gate(Permission.WORKFLOWS_EXECUTE))]
WorkflowsExecuteOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.WORKFLOWS_EXECUTE))]
WorkflowsReadOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.WORKFLOWS_READ))]
WorkflowsShareOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.WORKFLOWS_SHARE))]
WorkflowsWriteOne: TypeAlias = Annotated[Subject, Depends(gate_to_one(Permission.WORKFLOWS_WRITE))]
WorkflowsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.WORKFLOWS_READ))]
WorkflowsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.WORKFLOWS_WRITE))]
