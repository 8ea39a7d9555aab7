"""Working in another organisation without signing in again."""

from agentflow.errors import Unauthenticated
from agentflow.identity.access import AccessReader
from agentflow.identity.sessions.service import Sessions
from agentflow.identity.subject import Subject
from agentflow.identity.tenants.service import not_found
from agentflow.identity.tokens.access import AccessTokens
from agentflow.infra.audit.trail import Doer


class Switching:
    """Lets a session enter another organisation.

    Args:
        access: knows who belongs where.
        sessions: where the session is.
        tokens: signs access tokens.
    """

    def __init__(self, access: AccessReader, sessions: Sessions, tokens: AccessTokens) -> None:
        self._access = access
        self._sessions = sessions
        self._tokens = tokens

    async def enter(self, subject: Subject, session_id: str, tenant_id: str) -> tuple[str, int]:
        """Return an access token for another organisation of the user, and the seconds it is good for.

        Raises:
            TenantNotFound: there is none that the user is a member of.
        """
        try:
            access = await self._access.get(tenant_id, subject.user_id)
        except Unauthenticated as error:
            raise not_found() from error
        session = await self._sessions.enter(Doer(tenant_id, subject.user_id, access.username), session_id)
        return await self._sessions.access_token(session), self._tokens.lifetime_s
