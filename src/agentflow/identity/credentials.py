"""Turning a credential into a caller, once for all transports; what was found is remembered for seconds."""

import hashlib

from agentflow.errors import Unauthenticated
from agentflow.identity.access import CACHE_S, CACHED, Access, AccessReader
from agentflow.identity.api_keys.service import ApiKeys
from agentflow.identity.sessions.base import Session
from agentflow.identity.sessions.service import Sessions
from agentflow.identity.subject import Credential, CredentialKind, Presented, Subject
from agentflow.identity.tokens.access import AccessTokens, refused
from agentflow.infra.audit.trail import Doer
from agentflow.kit.clock import Clock
from agentflow.kit.memo import Memo


class Credentials:
    """Recognises callers.

    What a credential stands for is remembered for ``CACHE_S``, and what its user may do as long: a revoked key, an ended session or a role
    taken away is without effect in every process within five seconds. A token's signature is checked without the database.

    Args:
        access: what users may do.
        keys: recognises API keys.
        sessions: knows which sessions go on.
        tokens: reads access tokens.
        clock: the time.
        demands_factor: whether sessions are good for nothing much without a second factor, in every tenant.
    """

    def __init__(
        self, access: AccessReader, keys: ApiKeys, sessions: Sessions, tokens: AccessTokens, clock: Clock, *, demands_factor: bool
    ) -> None:
        self._demands_factor = demands_factor
        self._access = access
        self._keys = keys
        self._sessions = sessions
        self._tokens = tokens
        self._known: Memo[tuple[Presented, bytes], Subject] = Memo(clock, CACHE_S, CACHED)
        access.when_forgotten.append(self._known.clear)

    async def authenticate(self, secret: str, kind: Presented) -> Subject:
        """Return whom a credential stands for.

        Raises:
            Unauthenticated: it is not good, for whatever reason; the answer does not say which.
        """
        return await self._known.get(_name(secret, kind), lambda: self._look_up(secret, kind))

    def is_known(self, secret: str, kind: Presented) -> bool:
        """Tell whether a credential was good not long ago, as far as this process remembers; it may have been revoked since."""
        return self._known.has(_name(secret, kind))

    async def _look_up(self, secret: str, kind: Presented) -> Subject:
        if kind is Presented.KEY:
            return await self._by_key(secret)
        if kind is Presented.COOKIE:
            session = await self._sessions.by_cookie(secret)
            return await self._by_session(session, session.tenant_id)
        claims = await self._tokens.read(secret)
        try:
            session = await self._sessions.get_live(claims.session_id)
        except Unauthenticated as error:
            raise refused(Doer(claims.tenant_id, claims.user_id)) from error
        return await self._by_session(session, claims.tenant_id)

    async def _by_key(self, secret: str) -> Subject:
        key = await self._keys.recognise(secret)
        access = await self._let_in(key.tenant_id, key.user_id)
        credential = Credential(CredentialKind.KEY, key.id, key.scopes is not None)
        return access.subject(key.tenant_id, key.user_id, credential, key.scopes)

    async def _by_session(self, session: Session, tenant_id: str) -> Subject:
        access = await self._let_in(tenant_id, session.user_id)
        lacks_factor = (self._demands_factor or access.demands_factor) and not session.second_factor
        return access.subject(tenant_id, session.user_id, Credential(CredentialKind.SESSION, session.id, lacks_factor=lacks_factor))

    async def _let_in(self, tenant_id: str, user_id: str) -> Access:
        try:
            return await self._access.get(tenant_id, user_id)
        except Unauthenticated as error:
            raise refused(Doer(tenant_id, user_id)) from error

    async def still(self, secret: str, kind: Presented, subject: Subject) -> Subject | None:
        """Return a caller who came with a credential as of now, or None when it is not good any more; long-lived streams ask.

        An access token counts as long as its session goes on, also beyond its own quarter of an hour.
        """
        try:
            if kind is Presented.TOKEN and subject.credential is not None:
                return await self._by_session(await self._sessions.get_live(subject.credential.id), subject.tenant_id)
            return await self.authenticate(secret, kind)
        except Unauthenticated:
            return None

    def forget(self) -> None:
        """Look everything up anew; this process has just changed something."""
        self._access.forget()


def _name(secret: str, kind: Presented) -> tuple[Presented, bytes]:
    # A digest: what the memory of this process holds opens nothing.
    return kind, hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
