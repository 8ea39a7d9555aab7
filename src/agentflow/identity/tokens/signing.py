"""The key pairs that sign access tokens.

Each process makes its own pairs and writes only the public halves to the database, where every process, and the JWKS endpoint, finds them.
So nothing that is stored anywhere can sign a token: neither a dump of the database nor a backup lets anybody in.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from agentflow.identity.models import SigningKeyRow
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import is_id, new_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEARCH_EVERY_S = 5.0
"""Seconds between two searches for a key that is not known: whoever invents key ids cannot keep the database busy."""
LEEWAY_S = 30
"""Seconds by which the clocks of processes may differ."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The pair that a process signs with now.

    Attributes:
        id: its ``kid``.
        private: the private half.
        until: when it signs no more.
    """

    id: str
    private: "Ed25519PrivateKey"
    until: datetime


class SigningKeys:
    """The keys of all processes, and the pair of this one.

    Args:
        database: where the public halves are.
        clock: the time.
        lifetime_s: seconds for which a pair signs.
        token_s: seconds for which a token is good; its key is kept as long.
    """

    def __init__(self, database: Database, clock: Clock, lifetime_s: float, token_s: float) -> None:
        self._database = database
        self._clock = clock
        self._lifetime = timedelta(seconds=lifetime_s)
        self._kept = timedelta(seconds=token_s + 2 * LEEWAY_S)
        self._own: SigningKey | None = None
        self._making = asyncio.Lock()
        self._public: Mapping[str, Ed25519PublicKey] = {}
        self._searched_at: float | None = None

    async def current(self) -> SigningKey:
        """Return the pair to sign with; makes one at first, and when the last has served its time."""
        if self._is_due():
            async with self._making:
                if self._is_due():
                    self._own = await self._make()
        assert self._own is not None  # noqa: S101 - made just now
        return self._own

    def _is_due(self) -> bool:
        return self._own is None or self._own.until <= self._clock.now()

    async def _make(self) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private, now = Ed25519PrivateKey.generate(), self._clock.now()
        key = SigningKey(new_id(), private, now + self._lifetime)
        row = {"id": key.id, "public_key": private.public_key().public_bytes_raw(), "created_at": now, "expires_at": key.until + self._kept}
        async with self._database.transaction() as session:
            await session.execute(delete(SigningKeyRow).where(SigningKeyRow.expires_at <= now))
            await session.execute(insert(SigningKeyRow).values(row))
        self._public = {**self._public, key.id: private.public_key()}
        return key

    async def find(self, kid: str) -> "Ed25519PublicKey | None":
        """Return a public key by its id; None when there is none, or when keys were searched for too lately to look again."""
        if kid not in self._public and is_id(kid) and self._may_search():
            self._searched_at = self._clock.monotonic()
            self._public = {**self._public, **await self._load()}
        return self._public.get(kid)

    def _may_search(self) -> bool:
        return self._searched_at is None or self._clock.monotonic() - self._searched_at >= SEARCH_EVERY_S

    async def _load(self) -> "dict[str, Ed25519PublicKey]":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return {kid: Ed25519PublicKey.from_public_bytes(key) for kid, key in (await self.published()).items()}

    async def published(self) -> dict[str, bytes]:
        """Return the public keys by which a token may be signed now, as 32 bytes each, by their ids."""
        query = select(SigningKeyRow.id, SigningKeyRow.public_key).where(SigningKeyRow.expires_at > self._clock.now())
        async with self._database.reading() as session:
            return {row.id: bytes(row.public_key) for row in await session.execute(query.order_by(SigningKeyRow.id))}
