"""Links that let whoever has them download one artifact, without a credential and for a while.

A token holds the tenant, the moment at which it ends, and a signature over both and over the artifact. Nothing is stored: a link cannot
be called back, it ends by itself or with its artifact.
"""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from agentflow.artifacts.errors import LinkExpired, LinkNotValid
from agentflow.infra.signatures.signer import SIGNATURE_BYTES, Signer
from agentflow.kit.clock import Clock, iso
from agentflow.kit.ids import is_id

PURPOSE = "artifact-links"
_CLAIMS = struct.Struct(">16sQ")
_TOKEN_BYTES = _CLAIMS.size + SIGNATURE_BYTES
TOKEN_CHARACTERS = -(-_TOKEN_BYTES * 4 // 3)


class Links:
    """Makes and reads the tokens of links."""

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock

    async def make(self, tenant_id: str, artifact_id: str, life: timedelta) -> tuple[str, datetime]:
        """Return a token, and when it ends."""
        ends = (self._clock.now() + life).replace(microsecond=0)
        claims = _CLAIMS.pack(UUID(tenant_id).bytes, int(ends.timestamp()))
        signature = await self._signer.sign(UUID(artifact_id).bytes + claims)
        return base64.urlsafe_b64encode(claims + signature).rstrip(b"=").decode(), ends

    async def read(self, artifact_id: str, token: str) -> str:
        """Return the tenant of an artifact that a token lets download.

        Raises:
            LinkNotValid: this installation did not make the token for this artifact.
            LinkExpired: it did, and its time is over.
        """
        raw = _decoded(token)
        if raw is None or not is_id(artifact_id):
            raise _not_valid()
        claims, signature = raw[: _CLAIMS.size], raw[_CLAIMS.size :]
        if not await self._signer.is_signed(UUID(artifact_id).bytes + claims, signature):
            raise _not_valid()
        tenant, ends = _CLAIMS.unpack(claims)
        moment = datetime.fromtimestamp(ends, UTC)
        if moment <= self._clock.now():
            raise LinkExpired(f"The link ended at {iso(moment)}.", hint="Ask whoever gave it to you for a new one.")
        return str(UUID(bytes=tenant))


def _decoded(token: str) -> bytes | None:
    """Return a token's bytes; None for what cannot be one. Only the one spelling of a token counts."""
    if len(token) != TOKEN_CHARACTERS:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # Whether it is spelled as we do, not whether it is right.
    # ast-grep-ignore: no-comparing-secrets
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == token else None


def _not_valid() -> LinkNotValid:
    return LinkNotValid("The link is not valid: it was changed, or not made here.", hint="Ask whoever gave it to you for a new one.")
