"""HMAC-SHA256 with a key that is made once for each installation and purpose, and lies in its database, sealed."""

import hashlib
import hmac
import secrets
from typing import Protocol

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from agentflow.infra.crypto import seal, unseal
from agentflow.infra.db.engine import Database
from agentflow.infra.signatures.models import InstallationKeyRow
from agentflow.kit.clock import Clock

KEY_BYTES = 32
SIGNATURE_BYTES = hashlib.sha256().digest_size
SEAL_PURPOSE = "signatures"
"""Purpose of the data key that the keys of signers are sealed with."""


class Keys(Protocol):
    """Gives keys of tenants."""

    async def key(self, tenant_id: str, purpose: str) -> bytes:
        """Return a tenant's key for one purpose."""
        ...


class Signer:
    """Signs and checks for one purpose.

    Args:
        database: where the key is.
        clock: when it was made.
        purpose: what is signed; signatures for one purpose are worth nothing for another.
        keys: seal the key.
        tenant_id: the tenant that runs the installation; with a key of it the signer's is sealed.
    """

    def __init__(self, database: Database, clock: Clock, purpose: str, keys: Keys, tenant_id: str) -> None:
        self._database = database
        self._clock = clock
        self._purpose = purpose
        self._keys = keys
        self._tenant_id = tenant_id
        self._key: bytes | None = None

    async def sign(self, message: bytes) -> bytes:
        """Return the signature of a message.

        Raises:
            MasterKeyMissing: the key is sealed under a master key that is not here.
        """
        return hmac.digest(await self._the_key(), message, "sha256")

    async def is_signed(self, message: bytes, signature: bytes) -> bool:
        """Tell whether this installation signed a message; takes as long for a wrong signature as for a right one.

        Raises:
            MasterKeyMissing: as above.
        """
        return hmac.compare_digest(await self.sign(message), signature)

    async def seal_stored(self) -> None:
        """Seal the key if it lies in the clear, as the first builds of 0.1 left it; what it has signed stays signed."""
        stored = await self._stored()
        if stored is None or len(stored) != KEY_BYTES:  # a sealed one is longer
            return
        mine = (InstallationKeyRow.purpose == self._purpose, InstallationKeyRow.key == stored)
        sealed = await self._sealed(stored)
        async with self._database.transaction() as session:
            await session.execute(update(InstallationKeyRow).where(*mine).values(key=sealed))

    async def _the_key(self) -> bytes:
        if self._key is None:
            await self.seal_stored()
            stored = await self._stored() or await self._made()
            self._key = unseal(await self._seal_key(), stored, self._place)
        return self._key

    async def _seal_key(self) -> bytes:
        return await self._keys.key(self._tenant_id, SEAL_PURPOSE)

    async def _sealed(self, key: bytes) -> bytes:
        return seal(await self._seal_key(), key, self._place)

    @property
    def _place(self) -> bytes:
        return f"installation-key:{self._purpose}".encode()

    async def _stored(self) -> bytes | None:
        async with self._database.reading() as session:
            found: bytes | None = await session.scalar(select(InstallationKeyRow.key).where(InstallationKeyRow.purpose == self._purpose))
        return found

    async def _made(self) -> bytes:
        key = await self._sealed(secrets.token_bytes(KEY_BYTES))
        row = {"purpose": self._purpose, "key": key, "created_at": self._clock.now()}
        try:
            async with self._database.transaction() as session:
                await session.execute(insert(InstallationKeyRow).values(row))
        except IntegrityError:
            pass  # another process was faster; its key is everybody's
        made = await self._stored()
        assert made is not None  # noqa: S101 - keys are never deleted
        return made
