"""Writing refused requests into the audit log: who was not let in, and who asked for more than he may."""

import time
from dataclasses import dataclass

import structlog
from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from agentflow.errors import AgentFlowError, Kind
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Actor, Deed, Trail

log = structlog.get_logger(__name__)

REFUSALS = frozenset({Kind.UNAUTHENTICATED, Kind.FORBIDDEN})
"""Kinds of errors that refuse access."""
PER_S = 10.0
"""Refusals of strangers written a second; whoever knocks without a credential must not be able to fill the disk."""
_BURST = 100.0


@dataclass(frozen=True, slots=True)
class Nobody:
    """A caller whom nobody knows; what he does is in the log of the installation's own tenant."""

    tenant_id: str
    user_id: str = ""
    username: str = ""


class Refusals:
    """Writes down the refusals of one process; those of strangers in the log of the tenant that owns the installation."""

    def __init__(self) -> None:
        self._tokens, self._filled = _BURST, time.monotonic()
        self._left_out = 0

    async def note(self, request: Request, error: AgentFlowError) -> None:
        """Write a refusal down; a database that does not take it changes nothing about the answer."""
        subject: Subject | None = getattr(request.state, "subject", None)
        if subject is None and not self._may_write():
            self._left_out += 1
            return
        container = request.app.state.container
        actor: Actor = Nobody(container.owner.tenant_id) if subject is None else subject
        trail: Trail = container.trail
        route = request.scope.get("route")
        facts = {"method": request.method, "path": getattr(route, "path", None) or "/", "code": error.code}
        if subject is None and self._left_out:
            facts["left_out"], self._left_out = self._left_out, 0
        try:
            await trail.deny(actor, Deed("access.denied", None, facts))
        except (SQLAlchemyError, OSError, TimeoutError, AgentFlowError) as failure:
            log.warning("a refusal could not be written into the audit log", error=str(failure))

    def _may_write(self) -> bool:
        now = time.monotonic()
        self._tokens, self._filled = min(_BURST, self._tokens + (now - self._filled) * PER_S), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
