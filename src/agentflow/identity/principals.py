"""For whom runs act, as of now: the user who started one, and no more than the key that it was started with may."""

from agentflow.errors import Unauthenticated
from agentflow.identity.access import CACHE_S, CACHED, AccessReader
from agentflow.identity.api_keys.service import ApiKeys, Key
from agentflow.identity.subject import Credential, CredentialKind, Subject
from agentflow.kit.clock import Clock
from agentflow.kit.memo import Memo


class Principals:
    """Looks up for whom runs act; what was found is remembered for seconds, so that a change holds everywhere within five.

    Args:
        access: what users may do.
        keys: API keys.
        clock: the time.
    """

    def __init__(self, access: AccessReader, keys: ApiKeys, clock: Clock) -> None:
        self._access = access
        self._keys = keys
        self._known: Memo[tuple[str, str], Key] = Memo(clock, CACHE_S, CACHED)
        access.when_forgotten.append(self._known.clear)

    async def of(self, tenant_id: str, user_id: str, key_id: str | None) -> Subject:
        """Return a user as a run acts for it: with the rights of now, cut down to those of the key.

        That a key expired or was not rotated in time says that nobody comes in by it any more; a run that was let in goes on.

        Raises:
            Unauthenticated: the user is gone, shut or no member any more, the tenant is gone, or the key was revoked.
        """
        access = await self._access.get(tenant_id, user_id)
        if key_id is None:
            return access.subject(tenant_id, user_id)
        key = await self._known.get((tenant_id, key_id), lambda: self._keys.standing(tenant_id, key_id))
        if key.user_id != user_id:
            raise Unauthenticated("The key is another user's.")
        return access.subject(tenant_id, user_id, Credential(CredentialKind.KEY, key.id, key.scopes is not None), key.scopes)
