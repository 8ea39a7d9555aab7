"""Access tokens: JWTs after RFC 9068, signed with Ed25519, checked without a look into the database."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agentflow.errors import Unauthenticated
from agentflow.identity.tokens.signing import LEEWAY_S, SigningKeys
from agentflow.infra.audit.trail import Doer
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "agentflow"
TYPE = "at+jwt"
MAX_BYTES = 4_096
"""Longest token that is looked at: ours have some 500 bytes."""
REMEMBERED = 10_000
"""Tokens of which is remembered that they were signed by us."""
_HEADER = {"alg": ALGORITHM, "typ": TYPE}
_TEXTS = ("iss", "aud", "sub", "sid", "tid", "jti")
_TIMES = ("exp", "iat")


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says.

    Attributes:
        user_id: whom it stands for.
        tenant_id: the tenant it is good for.
        session_id: the session it was given out in.
    """

    user_id: str
    tenant_id: str
    session_id: str


class AccessTokens:
    """Signs and reads access tokens.

    Args:
        keys: the key pairs.
        clock: the time.
        lifetime_s: seconds for which a token is good.
    """

    def __init__(self, keys: SigningKeys, clock: Clock, lifetime_s: int) -> None:
        self._keys = keys
        self._clock = clock
        self.lifetime_s = lifetime_s
        self._genuine: dict[bytes, tuple[str, Mapping[str, Any]]] = {}

    async def issue(self, claims: Claims) -> str:
        """Return a new token."""
        import jwt

        key, now = await self._keys.current(), self._clock.now()
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": claims.user_id,
            "tid": claims.tenant_id,
            "sid": claims.session_id,
            "jti": new_id(),
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(seconds=self.lifetime_s)).timestamp()),
        }
        return jwt.encode(payload, key.private, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": key.id})

    async def read(self, token: str) -> Claims:
        """Return what a token says.

        The header may say nothing but algorithm, type and key id: a key or an address of one in it is not even looked at.

        Raises:
            Unauthenticated: it is not ours, not an access token, or not good now; the answer does not say which.
        """
        if len(token) > MAX_BYTES or not token.isascii():
            raise refused()
        # A digest: what the memory of this process holds opens nothing.
        digest = hashlib.sha256(token.encode()).digest()
        key_id, payload = self._genuine.get(digest) or await self._verified(token)
        if await self._keys.find(key_id) is None:
            raise refused()
        if len(self._genuine) >= REMEMBERED:
            self._genuine.clear()
        self._genuine[digest] = key_id, payload
        return self._checked(payload)

    async def _verified(self, token: str) -> tuple[str, Mapping[str, Any]]:
        """Return what a token says, and the key that signed it: that does not change, so it is verified once."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            kid = header.pop("kid", None)
            key = await self._keys.find(kid) if header == _HEADER and isinstance(kid, str) else None
            if key is None:
                raise refused()
            payload = jwt.decode(
                token, key, algorithms=[ALGORITHM], options={"verify_exp": False, "verify_iat": False, "verify_aud": False}
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise refused() from error
        return kid, payload

    def _checked(self, payload: Mapping[str, Any]) -> Claims:
        now = self._clock.now().timestamp()
        times = [payload.get(name) for name in _TIMES]
        if not all(isinstance(payload.get(name), str) for name in _TEXTS) or not all(type(time) is int for time in times):
            raise refused()
        if payload["iss"] != ISSUER or payload["aud"] != AUDIENCE:
            raise refused()
        if not payload["iat"] - LEEWAY_S <= now < payload["exp"]:
            raise refused(Doer(payload["tid"], payload["sub"]))
        return Claims(payload["sub"], payload["tid"], payload["sid"])


def refused(whose: Doer | None = None) -> Unauthenticated:
    """Return the error for a credential that is not good, whatever is wrong with it; ``whose`` it is, or was, is for the audit log."""
    error = Unauthenticated("The credential is not valid.", hint="Sign in again, or send a key as X-API-Key or Authorization: Bearer.")
    error.whose = whose
    return error
