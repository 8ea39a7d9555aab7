"""Noting refused requests for the audit log: who was not let in, who asked for more than he may, and who named what is not his."""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from agentflow.endpoints.requests import BODY
from agentflow.errors import AgentFlowError, Kind
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Doer

REFUSALS = frozenset({Kind.UNAUTHENTICATED, Kind.FORBIDDEN})
"""Kinds of errors that refuse access."""
SIGN_INS = frozenset(f"/api/v1/auth/{door}" for door in ("link", "login", "refresh", "token"))
"""Where somebody signs in, or stays so; a refusal there is one of a session."""
GUESSING = "TOO_MANY_ATTEMPTS"
"""Code of the answer to whoever guesses; it refuses access, although the client is only told to wait."""
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_LOOKED_THROUGH = 10_000
"""Bytes of a body that are searched for an id."""


def note(request: Request, error: AgentFlowError) -> None:
    """Note a refusal, if the error is one; it is written behind the answer.

    What is foreign and what does not exist are the same to us as to the caller. Names are looked up among the caller's own things, so that
    only who asks by an id can have meant somebody else's.
    """
    subject: Subject | None = getattr(request.state, "subject", None)
    named = None
    if error.kind is Kind.NOT_FOUND and subject is not None:
        named = _named(request)
    if not (error.kind in REFUSALS or error.code == GUESSING or named):
        return
    container = request.app.state.container
    whose = error.whose if isinstance(error.whose, Doer) else None
    actor = subject or whose or Doer(container.owner.tenant_id)
    path = getattr(request.scope.get("route"), "path", None) or "/"
    facts: Mapping[str, Any] = {"method": request.method, "path": path, "code": error.code}
    container.denials.note(actor, Deed("session.denied" if path in SIGN_INS else "access.denied", named, facts))


def _named(request: Request) -> str | None:
    """Return the id that a request names in its path or body, the last in its path first; None where it names none."""
    in_path = _ID.findall(request.scope["path"])
    if in_path:
        return str(in_path[-1])
    body: bytes = request.scope.get(BODY, b"")
    in_body = _ID.search(body[:_LOOKED_THROUGH].decode(errors="replace"))
    return in_body.group() if in_body else None
