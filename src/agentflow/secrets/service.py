"""Secrets: store, replace, list, delete. What is stored can be used by sources, and read back by nobody."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import SecretStr
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.crypto import mac, seal
from agentflow.infra.db.engine import Database
from agentflow.infra.db.uses import Finder, require_unused
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.infra.keys.ring import KeyRing
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.secrets import repository
from agentflow.secrets.errors import NotTheInstallation, SecretExists
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
        self._clock = clock
        self._once = once
        self._trail = trail
        self._finders = finders
        self._installation = installation

    async def create(self, subject: Subject, new: SecretCreate, *, idempotency: Idempotency | None = None) -> Secret:
        """Store a new secret.

        Raises:
            SecretExists: the tenant has one of this name.
            IdempotencyKeyReused: the key was used with another request.
        """

        async def make(session: AsyncSession) -> Secret:
            now, secret_id = self._clock.now(), new_id()
            row = {
                "id": secret_id,
                "tenant_id": subject.tenant_id,
                "name": new.name,
                "description": new.description,
                "sealed": await self._seal(session, subject, secret_id, 1, new.value),
                "created_by": subject.user_id,
                "last_used_at": None,
                "version": 1,
                "created_at": now,
                "updated_at": now,
            }
            await repository.create(session, row)
            await self._trail.add(session, subject, Deed("secret.created", secret_id, {"name": new.name}))
            return _wire(SecretRow(**row))

        if idempotency is not None:
            # The hash of a request that holds a weak secret could be guessed at; under a key it cannot.
            key = await self._ring.key(subject.tenant_id, PURPOSE)
            idempotency = replace(idempotency, body_hash=mac(key, idempotency.body_hash.encode()).hex())
        try:
            return await self._once.create(subject.tenant_id, idempotency, Secret, make)
        except IntegrityError as error:
            raise SecretExists(f"There is a secret {new.name} already.", hint="PUT gives it another value.") from error

    async def replace(self, subject: Subject, ref: str, new: SecretReplace) -> Secret:
        """Give a secret another value; whatever uses it has the new one from then on.

        Raises:
            SecretNotFound: the tenant has none.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject, ref, lock=True)
            version = row.version + 1
            values = {
                "sealed": await self._seal(session, subject, row.id, version, new.value),
                "version": version,
                "updated_at": self._clock.now(),
                "description": new.description if "description" in new.model_fields_set else row.description,
            }
            session.expunge(row)
            await repository.change(session, subject, row.id, values)
            await self._trail.add(session, subject, Deed("secret.replaced", row.id, {"name": row.name, "version": version}))
            for name, value in values.items():
                setattr(row, name, value)
        return _wire(row)

    async def _seal(self, session: AsyncSession, subject: Subject, secret_id: str, version: int, value: SecretStr) -> bytes:
        key = await self._ring.key_within(session, subject.tenant_id, PURPOSE)
        return seal(key, value.get_secret_value().encode(), place(subject.tenant_id, secret_id, version))

    async def get(self, subject: Subject, ref: str) -> Secret:
        """Return a secret without its value.

        Raises:
            SecretNotFound: the tenant has none.
        """
        async with self._database.reading(subject.tenant_id) as session:
            return _wire(await repository.get(session, subject, ref))

    async def list(self, subject: Subject, page: PageRequest) -> Page[Secret]:
        """Return one page of secrets by name, without their values.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        async with self._database.reading(subject.tenant_id) as session:
            found = await repository.list_page(session, subject, page)
        return Page([_wire(row) for row in found.items], found.next_cursor, found.total)

    async def delete(self, subject: Subject, ref: str) -> None:
        """Delete a secret that nobody uses.

        Raises:
            SecretNotFound: the tenant has none.
            InUse: a workflow or a source names it.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject, ref, lock=True)
            await require_unused(session, self._finders, subject.tenant_id, "secret", row.name)
            await repository.remove(session, subject, row.id)
            await self._trail.add(session, subject, Deed("secret.deleted", row.id, {"name": row.name}))

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
