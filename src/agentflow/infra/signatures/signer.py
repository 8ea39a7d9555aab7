"""HMAC-SHA256 with a key that is made once for each installation and purpose, and lies in its database."""

import hashlib
import hmac
import secrets

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from agentflow.infra.db.engine import Database
from agentflow.infra.signatures.models import InstallationKeyRow
from agentflow.kit.clock import Clock

KEY_BYTES = 32
SIGNATURE_BYTES = hashlib.sha256().digest_size


class Signer:
    """Signs and checks for one purpose.

    Args:
        database: where the key is.
        clock: when it was made.
        purpose: what is signed; signatures for one purpose are worth nothing for another.
    """

    def __init__(self, database: Database, clock: Clock, purpose: str) -> None:
        self._database = database
        self._clock = clock
        self._purpose = purpose
        self._key: bytes | None = None

    async def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return hmac.digest(await self._the_key(), message, "sha256")

    async def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this installation signed a message; takes as long for a wrong signature as for a right one."""
        return hmac.compare_digest(await self.sign(message), signature)

    async def _the_key(self) -> bytes:
        if self._key is None:
            self._key = await self._stored() or await self._made()
        return self._key

    async def _stored(self) -> bytes | None:
        async with self._database.reading() as session:
            found: bytes | None = await session.scalar(select(InstallationKeyRow.key).where(InstallationKeyRow.purpose == self._purpose))
        return found

    async def _made(self) -> bytes:
        row = {"purpose": self._purpose, "key": secrets.token_bytes(KEY_BYTES), "created_at": self._clock.now()}
        try:
            async with self._database.transaction() as session:
                await session.execute(insert(InstallationKeyRow).values(row))
        except IntegrityError:
            pass  # another process was faster; its key is everybody's
        made = await self._stored()
        assert made is not None  # noqa: S101 - keys are never deleted
        return made
