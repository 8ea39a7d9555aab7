"""Secrets: store, replace, list, delete. What is stored can be used by sources, and read back by nobody."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.crypto import mac, seal
from agentflow.infra.db.engine import Database
from agentflow.infra.db.uses import Finder
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.infra.keys.ring import KeyRing
from agentflow.infra.named.things import Kind, Things
from agentflow.kit.clock import Clock
from agentflow.kit.pagination import Page, PageRequest
from agentflow.secrets.errors import NotTheInstallation, SecretExists, SecretNotFound
from agentflow.secrets.models import SecretRow
from agentflow.secrets.schemas import Rotation, Secret, SecretCreate, SecretReplace

PURPOSE = "secrets"
"""Purpose of the key that secrets are sealed with."""


class SecretService:
    """The use cases of secrets.

    Args:
        database: where they are stored, sealed.
        ring: has the tenants' keys.
        clock: what time stamps come from.
        once: creates things at most once per idempotency key.
        trail: where changes are written down.
        finders: know who uses a secret, by its name.
        installation: the tenant that may change the master key.
    """

    def __init__(
        self, database: Database, ring: KeyRing, clock: Clock, once: Once, trail: Trail, finders: Sequence[Finder], installation: str
    ) -> None:
        self._database = database
        self._ring = ring
        self._trail = trail
        self._installation = installation
        self._things = Things(SECRETS, database, clock, once, trail, finders)

    async def create(self, subject: Subject, new: SecretCreate, *, idempotency: Idempotency | None = None) -> Secret:
        """Store a new secret.

        Raises:
            SecretExists: the tenant has one of this name.
            IdempotencyKeyReused: the key was used with another request.
        """
        if idempotency is not None:
            # The hash of a request that holds a weak secret could be guessed at; under a key it cannot.
            key = await self._ring.key(subject.tenant_id, PURPOSE)
            idempotency = replace(idempotency, body_hash=mac(key, idempotency.body_hash.encode()).hex())
        sealed = self._sealing(subject, new.value)

        async def contents(session: AsyncSession, secret_id: str, version: int) -> dict[str, Any]:
            return {**await sealed(session, secret_id, version), "created_by": subject.user_id, "last_used_at": None}

        return await self._things.create(subject, new, contents, idempotency)

    async def replace(self, subject: Subject, ref: str, new: SecretReplace) -> Secret:
        """Give a secret another value; whatever uses it has the new one from then on.

        Raises:
            SecretNotFound: the tenant has none.
        """
        return await self._things.replace(subject, ref, new, self._sealing(subject, new.value))

    def _sealing(self, subject: Subject, value: SecretStr) -> Callable[[AsyncSession, str, int], Awaitable[dict[str, Any]]]:
        async def contents(session: AsyncSession, secret_id: str, version: int) -> dict[str, Any]:
            key = await self._ring.key_within(session, subject.tenant_id, PURPOSE)
            return {"sealed": seal(key, value.get_secret_value().encode(), place(subject.tenant_id, secret_id, version))}

        return contents

    async def get(self, subject: Subject, ref: str) -> Secret:
        """Return a secret without its value.

        Raises:
            SecretNotFound: the tenant has none.
        """
        return await self._things.get(subject, ref)

    async def list(self, subject: Subject, page: PageRequest) -> Page[Secret]:
        """Return one page of secrets by name, without their values.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        return await self._things.list(subject, page)

    async def delete(self, subject: Subject, ref: str) -> None:
        """Delete a secret that nobody uses.

        Raises:
            SecretNotFound: the tenant has none.
            InUse: a workflow or a source names it.
        """
        await self._things.delete(subject, ref)

    async def rotate_master_key(self, subject: Subject) -> Rotation:
        """Change the master key of the installation while everything goes on.

        Raises:
            NotTheInstallation: the subject is of another tenant than the installation's owner.
            RotationUnderWay: another process does so now.
            NoNewMasterKey: the master keys are given from outside, and no new one was given.
        """
        if subject.tenant_id != self._installation:
            raise NotTheInstallation("The master key belongs to the installation.", hint="Its owner can change it.")
        name = await self._ring.rotate()
        async with self._database.transaction(subject.tenant_id) as session:
            await self._trail.add(session, subject, Deed("master-key.rotated", name))
        return Rotation(master_key=name)


def place(tenant_id: str, secret_id: str, version: int) -> bytes:
    """Return what a sealed value is bound to: it opens in no other tenant, row or version."""
    return f"secret:{tenant_id}:{secret_id}:{version}".encode()


def _wire(row: SecretRow) -> Secret:
    return Secret(**{name: getattr(row, name) for name in Secret.model_fields})


SECRETS = Kind("secret", SecretRow, Secret, _wire, SecretNotFound, SecretExists)
