"""REST: signing devices out."""

from fastapi import Request, Response

from agentflow.endpoints.requests import slice_router
from agentflow.identity.accounts.doors import accounts, device_of, sessions
from agentflow.identity.accounts.schemas import Confirm
from agentflow.identity.auth import Signed
from agentflow.identity.sessions.endpoints import SessionRef, current, id_of, person

router = slice_router("/api/v1/sessions", "sessions")


@router.delete("/{session}", status_code=204, operation_id="revoke_session", summary="Sign a device out")
async def revoke_session(request: Request, subject: Signed, session: SessionRef, given: Confirm | None = None) -> Response:
    """Sign a device out; on every process within five seconds. Another than this takes a fresh sign-in, or the password in the body."""
    person(subject)
    session_id = id_of(subject, session)
    if session_id != current(subject):
        await accounts(request).confirm_freshly(subject, None if given is None else given.password, device_of(request))
    await sessions(request).revoke(subject, session_id)
    request.app.state.container.credentials.forget()
    return Response(status_code=204)
