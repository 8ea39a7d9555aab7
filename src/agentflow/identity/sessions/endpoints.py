"""REST: the devices that one is signed in on."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Request, Response
from pydantic import Field

from agentflow.endpoints.answers import JsonAnswer
from agentflow.endpoints.requests import slice_router
from agentflow.errors import Forbidden
from agentflow.identity.auth import Signed
from agentflow.identity.sessions.base import Session, SessionKind
from agentflow.identity.sessions.service import SessionNotFound, Sessions
from agentflow.identity.subject import CredentialKind, Subject
from agentflow.identity.wire import UUID_EXAMPLE, Body, Wire

router = slice_router("/api/v1/sessions", "sessions")

CURRENT = "current"
SessionRef = Annotated[str, Path(description="Id of the session, or `current`.", examples=[CURRENT], max_length=64)]


class SessionShown(Wire):
    """A device that one is signed in on."""

    id: str = Field(description="UUIDv7 of the session.", examples=[UUID_EXAMPLE])
    is_current: bool = Field(description="Whether this request came from it.", examples=[True])
    kind: SessionKind = Field(description="By tokens, or by a browser's cookie.", examples=["browser"])
    tenant_id: str = Field(description="The organisation it works in.", examples=[UUID_EXAMPLE])
    device: str = Field(description="What the client called itself.", examples=["Mozilla/5.0 (X11; Linux x86_64)"])
    address: str = Field(description="Where somebody signed in.", examples=["192.0.2.7"])
    second_factor: bool = Field(description="Whether a second factor was shown.", examples=[False])
    workflows: list[str] = Field(description="Ids of the workflows that were open last.", examples=[[UUID_EXAMPLE]])
    created_at: datetime = Field(description="When somebody signed in.")
    last_seen_at: datetime = Field(description="When it was used, within a minute.")
    expires_at: datetime = Field(description="When it ends at the latest.")


class SessionList(Wire):
    """The devices that one is signed in on."""

    items: list[SessionShown] = Field(description="The newest first.")


class OpenWorkflows(Body):
    """What is open on a device."""

    workflows: list[Annotated[str, Field(max_length=64)]] = Field(
        max_length=100, description="Ids of the workflows that are open.", examples=[[UUID_EXAMPLE]]
    )


def _sessions(request: Request) -> Sessions:
    service: Sessions = request.app.state.container.identity.sessions
    return service


def person(subject: Subject) -> str:
    """Return whose sessions they are; a key with scopes has nothing to do with them."""
    if subject.credential is not None and subject.credential.is_restricted:
        raise Forbidden("A key with scopes does not see sessions.", hint="Sign in, or use a key that may do all you may.")
    return subject.user_id


def current(subject: Subject) -> str:
    """Return the id of the session that a request came with; empty if it came with an API key."""
    credential = subject.credential
    return credential.id if credential is not None and credential.kind is CredentialKind.SESSION else ""


def id_of(subject: Subject, ref: str) -> str:
    """Return the id of the session that a path names.

    Raises:
        SessionNotFound: it names the current one, and there is none.
    """
    session_id = current(subject) if ref == CURRENT else ref
    if not session_id:
        raise SessionNotFound("This request came with an API key: it has no session.", hint="GET /api/v1/sessions lists yours.")
    return session_id


@router.get("", operation_id="list_sessions", summary="List my sessions", response_model=SessionList)
async def list_sessions(request: Request, subject: Signed) -> Response:
    """List the devices that one is signed in on."""
    found = await _sessions(request).list(person(subject))
    return JsonAnswer(SessionList(items=[_shown(session, subject) for session in found]))


@router.get("/{session}", operation_id="get_session", summary="Get a session of mine", response_model=SessionShown)
async def get_session(request: Request, subject: Signed, session: SessionRef) -> Response:
    """Return one device that one is signed in on, with the workflows that were open there last."""
    return JsonAnswer(_shown(await _sessions(request).get(person(subject), id_of(subject, session)), subject))


@router.put("/{session}/workflows", operation_id="set_session_workflows", summary="Note what is open", response_model=SessionShown)
async def set_session_workflows(request: Request, subject: Signed, session: SessionRef, given: OpenWorkflows) -> Response:
    """Note which workflows are open on a device, so that another can take them up."""
    person(subject)
    changed = await _sessions(request).open_workflows(subject, id_of(subject, session), given.workflows)
    return JsonAnswer(_shown(changed, subject))


def _shown(session: Session, subject: Subject) -> SessionShown:
    names = ("id", "kind", "tenant_id", "device", "address", "second_factor", "created_at", "last_seen_at", "expires_at")
    values = {name: getattr(session, name) for name in names}
    return SessionShown(**values, workflows=list(session.workflows), is_current=session.id == current(subject))
