"""The gates of REST endpoints: who may call stands in the type of a parameter (``subject: RunsRead``)."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from agentflow.errors import Forbidden, Unauthenticated
from agentflow.identity.credentials import CredentialKind, Credentials
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Subject

COOKIE = "agentflow_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


async def authenticate(request: Request) -> Subject:
    """Turn the credential of a request into a subject: ``X-API-Key``, ``Authorization: Bearer``, or the browser's cookie.

    Raises:
        Unauthenticated: none, or one that is not valid.
        Forbidden: a cookie on a changing request that does not come from this site (CSRF).
    """
    credentials: Credentials = request.app.state.container.credentials
    key = request.headers.get("x-api-key") or _bearer(request.headers.get("authorization"))
    if key is not None:
        return await credentials.authenticate(key, CredentialKind.KEY)
    session = request.cookies.get(COOKIE)
    if session is None:
        raise Unauthenticated(
            "This needs a credential.", hint="Send the owner's key (in <data-dir>/owner.key) as X-API-Key or Authorization: Bearer."
        )
    if request.method not in SAFE_METHODS and not _same_origin(request):
        raise Forbidden("A request with the browser's cookie must come from this site.", hint="Use an API key from elsewhere.")
    return await credentials.authenticate(session, CredentialKind.SESSION)


def gate(permission: Permission) -> Callable[[Request], Awaitable[Subject]]:
    """Return a dependency that lets only subjects with ``permission`` pass."""

    async def check(request: Request) -> Subject:
        subject = await authenticate(request)
        subject.require(permission)
        return subject

    return check


def _bearer(header: str | None) -> str | None:
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise Unauthenticated("The Authorization header must read: Bearer <key>.")
    return value.strip()


def _same_origin(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


Signed: TypeAlias = Annotated[Subject, Depends(authenticate)]
ArtifactsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.ARTIFACTS_READ))]
ArtifactsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.ARTIFACTS_WRITE))]
CollectionsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.COLLECTIONS_READ))]
CollectionsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.COLLECTIONS_WRITE))]
MetricsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.METRICS_READ))]
NodeTypesRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.NODE_TYPES_READ))]
RunsApprove: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_APPROVE))]
RunsCancel: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_CANCEL))]
RunsDelete: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_DELETE))]
RunsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_READ))]
RunsSignal: TypeAlias = Annotated[Subject, Depends(gate(Permission.RUNS_SIGNAL))]
WorkflowsExecute: TypeAlias = Annotated[Subject, Depends(gate(Permission.WORKFLOWS_EXECUTE))]
WorkflowsRead: TypeAlias = Annotated[Subject, Depends(gate(Permission.WORKFLOWS_READ))]
WorkflowsWrite: TypeAlias = Annotated[Subject, Depends(gate(Permission.WORKFLOWS_WRITE))]
