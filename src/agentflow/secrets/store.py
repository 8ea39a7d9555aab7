"""The values of secrets, for whoever fills in a source: the only way out of the table."""

import os
from collections.abc import Collection, Mapping

from agentflow.infra.crypto import unseal
from agentflow.infra.db.engine import Database
from agentflow.infra.db.last_uses import LastUses
from agentflow.infra.keys.ring import KeyRing
from agentflow.infra.observability.redaction import LOGGED
from agentflow.kit.clock import Clock
from agentflow.secrets import repository
from agentflow.secrets.service import PURPOSE, place

PREFIX = "AGENTFLOW_SECRET_"


class EnvironmentSecrets:
    """Secrets from variables ``AGENTFLOW_SECRET_<NAME>`` of the server's environment, read once."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        source = os.environ if environment is None else environment
        # What is no UTF-8 there cannot be sent anywhere as text.
        texts = {name: value.encode(errors="surrogateescape").decode(errors="replace") for name, value in source.items()}
        self._values = {name.removeprefix(PREFIX): value for name, value in texts.items() if name.startswith(PREFIX)}

    async def names(self, tenant_id: str) -> frozenset[str]:
        """Return the names of all secrets."""
        return frozenset(self._values)

    async def values(self, tenant_id: str, wanted: Collection[str]) -> Mapping[str, str]:
        """Return the values of those secrets that there are."""
        return {name: self._values[name] for name in wanted if name in self._values}

    def __repr__(self) -> str:
        return f"EnvironmentSecrets({sorted(self._values)})"


class SecretStore:
    """The secrets of each tenant; for the installation's own tenant also those of the environment, where it has none of that name.

    Args:
        database: where they are stored, sealed.
        ring: has the tenants' keys.
        clock: the time.
        environment: secrets of the process.
        installation: the tenant that may use those.
        uses: takes note of when a secret was used.
    """

    def __init__(
        self, database: Database, ring: KeyRing, clock: Clock, environment: EnvironmentSecrets, installation: str, uses: LastUses
    ) -> None:
        self._database = database
        self._ring = ring
        self._clock = clock
        self._environment = environment
        self._installation = installation
        self._uses = uses

    async def names(self, tenant_id: str) -> frozenset[str]:
        """Return the names of all secrets that a tenant may use."""
        async with self._database.reading(tenant_id) as session:
            own = await repository.names(session, tenant_id)
        return own | await self._environment.names(tenant_id) if tenant_id == self._installation else own

    async def values(self, tenant_id: str, wanted: Collection[str]) -> Mapping[str, str]:
        """Return the values of those secrets that there are; from then on no log line of this process shows them.

        Raises:
            MasterKeyMissing: they are sealed with a master key that is not here.
            SealBroken: a stored secret was changed, or moved from another place.
        """
        if not wanted:
            return {}
        async with self._database.reading(tenant_id) as session:
            rows = await repository.by_name(session, tenant_id, wanted)
        found: dict[str, str] = {}
        if rows:
            key = await self._ring.key(tenant_id, PURPOSE)
            found = {row.name: unseal(key, row.sealed, place(tenant_id, row.id, row.version)).decode() for row in rows}
            now = self._clock.now()
            for row in rows:
                self._uses.note(row.id, row.last_used_at, now)
        if tenant_id == self._installation:
            found = {**await self._environment.values(tenant_id, wanted), **found}
        LOGGED.add(found.values())
        return found

    async def close(self) -> None:
        """Write down what was used last."""
        await self._uses.close()
