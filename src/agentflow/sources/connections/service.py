"""Stored sources: store, change, list, try, delete, and hand to runs."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import AgentFlowError, NodeError
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.uses import Finder, Use, require_unused
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.infra.observability.redaction import Redactor
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.sources.connections import repository
from agentflow.sources.connections.errors import InvalidSource, SourceExists
from agentflow.sources.connections.fill import Secrets, filled
from agentflow.sources.connections.literals import written_out
from agentflow.sources.connections.models import SourceRow
from agentflow.sources.connections.schemas import SourceCreate, SourceReplace, SourceTest, StoredSource
from agentflow.spec.expressions import Renderer
from agentflow.spec.model import Source
from agentflow.spec.uses import secrets_in

Problem: TypeAlias = Mapping[str, Any]
Examine: TypeAlias = Callable[[str, Source], Awaitable[Sequence[Problem]]]
"""Given a tenant and a source, returns what is wrong with its config."""
Probe: TypeAlias = Callable[[Subject, str, str, Mapping[str, Any]], Awaitable[str]]
"""Given who asks, and name, kind and filled config of a source, tries it and returns what it found; raises NodeError."""


class ConnectionService:
    """The use cases of stored sources.

    Args:
        database: where they are stored.
        clock: what time stamps come from.
        once: creates things at most once per idempotency key.
        trail: where changes are written down.
        finders: know who uses a source, by its name.
        secrets: the values that configs name.
        renderer: fills them in.
        examine: finds what is wrong with a config.
        probe: tries a source.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        once: Once,
        trail: Trail,
        finders: Sequence[Finder],
        secrets: Secrets,
        renderer: Renderer,
        examine: Examine,
        probe: Probe,
    ) -> None:
        self._database = database
        self._clock = clock
        self._once = once
        self._trail = trail
        self._finders = finders
        self._secrets = secrets
        self._renderer = renderer
        self._examine = examine
        self._probe = probe

    async def create(self, subject: Subject, new: SourceCreate, *, idempotency: Idempotency | None = None) -> StoredSource:
        """Store a new source.

        Raises:
            InvalidSource: its settings cannot work, name a secret that there is not, or hold one written out.
            SourceExists: the tenant has one of this name.
            IdempotencyKeyReused: the key was used with another request.
        """
        await self._check(subject, Source(id=new.name, kind=new.kind, config=new.config))
        now = self._clock.now()
        row = {
            "id": new_id(),
            "tenant_id": subject.tenant_id,
            "name": new.name,
            "description": new.description,
            "kind": new.kind,
            "config": new.config,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }

        async def make(session: AsyncSession) -> StoredSource:
            await repository.create(session, row)
            await self._trail.add(session, subject, Deed("source.created", str(row["id"]), {"name": new.name, "kind": new.kind}))
            return _wire(SourceRow(**row))

        try:
            return await self._once.create(subject.tenant_id, idempotency, StoredSource, make)
        except IntegrityError as error:
            raise SourceExists(f"There is a source {new.name} already.", hint="PUT gives it other settings.") from error

    async def replace(self, subject: Subject, ref: str, new: SourceReplace) -> StoredSource:
        """Give a source other settings; its name and kind stay.

        Raises:
            SourceNotFound: the tenant has none.
            InvalidSource: the settings cannot work, name a secret that there is not, or hold one written out.
        """
        known = await self.get(subject, ref, Permission.SOURCES_WRITE)
        if new.kind not in {None, known.kind}:
            problem = {"code": "SOURCE_KIND_MISMATCH", "path": "/kind", "message": f"The source is of kind {known.kind}.", "hint": None}
            raise InvalidSource(f"The kind of source {known.name} cannot be changed.", hint="Store another source.", errors=[problem])
        await self._check(subject, Source(id=known.name, kind=known.kind, config=new.config))
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject, known.id, lock=True, needs=Permission.SOURCES_WRITE)
            values = {
                "config": new.config,
                "version": row.version + 1,
                "updated_at": self._clock.now(),
                "description": new.description if "description" in new.model_fields_set else row.description,
            }
            session.expunge(row)
            await repository.change(session, subject, row.id, values)
            await self._trail.add(session, subject, Deed("source.replaced", row.id, {"name": row.name, "version": row.version + 1}))
            for name, value in values.items():
                setattr(row, name, value)
        return _wire(row)

    async def _check(self, subject: Subject, source: Source) -> None:
        problems: list[Problem] = [
            {
                "code": "SECRET_WRITTEN_OUT",
                "path": f"/config{path}",
                "message": "A secret stands here as it is.",
                "hint": "Store it with `agentflow secrets set NAME`, and write {{ secrets.NAME }} here.",
            }
            for path in written_out(source.config)
        ]
        problems += await self._examine(subject.tenant_id, source)
        if problems:
            first = problems[0]
            raise InvalidSource(
                f"The source {source.id} cannot be stored: {first['message']}", hint="Mend what `errors` lists.", errors=problems
            )

    async def get(self, subject: Subject, ref: str, needs: Permission = Permission.SOURCES_READ) -> StoredSource:
        """Return a source on which the caller has a permission.

        Raises:
            SourceNotFound: the tenant has none, or the caller may not do this with it.
        """
        async with self._database.reading(subject.tenant_id) as session:
            return _wire(await repository.get(session, subject, ref, needs=needs))

    async def list(self, subject: Subject, page: PageRequest, kind: str | None = None) -> Page[StoredSource]:
        """Return one page of sources by name.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        async with self._database.listing(subject.tenant_id) as session:
            found = await repository.list_page(session, subject, page, kind)
        return Page([_wire(row) for row in found.items], found.next_cursor, found.total)

    async def delete(self, subject: Subject, ref: str) -> None:
        """Delete a source that no workflow uses.

        Raises:
            SourceNotFound: the tenant has none.
            InUse: a workflow names it.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject, ref, lock=True, needs=Permission.SOURCES_WRITE)
            await require_unused(session, self._finders, subject.tenant_id, "source", row.name)
            await repository.remove(session, subject, row.id)
            await self._trail.add(session, subject, Deed("source.deleted", row.id, {"name": row.name}))

    async def test(self, subject: Subject, ref: str) -> SourceTest:
        """Try a source: open it as a node would, and ask for next to nothing.

        Raises:
            SourceNotFound: the tenant has none; nothing is unsealed for it.
        """
        source = await self.get(subject, ref, Permission.SOURCES_TEST)
        began, hidden = time.perf_counter(), Redactor()
        code: str | None = None
        hint: str | None = None
        try:
            config, values = await filled(source.name, source.config, subject.tenant_id, self._secrets, self._renderer)
            hidden.add(values)
            message = await self._probe(subject, source.name, source.kind, config)
        except AgentFlowError as error:
            message, hint = error.message, error.hint
            code = error.error_code if isinstance(error, NodeError) else error.code
        elapsed_ms = round((time.perf_counter() - began) * 1000, 3)
        async with self._database.transaction(subject.tenant_id) as session:
            await self._trail.add(session, subject, Deed("source.tested", source.id, {"name": source.name, "ok": code is None}))
        return SourceTest(
            ok=code is None,
            elapsed_ms=elapsed_ms,
            code=code,
            message=hidden.text(message),
            hint=None if hint is None else hidden.text(hint),
        )

    async def exists(self, subject: Subject, source_id: str) -> bool:
        """Tell whether the tenant has a source of this id."""
        async with self._database.reading(subject.tenant_id) as session:
            return await repository.exists(session, subject, source_id)

    async def kinds(self, tenant_id: str) -> Mapping[str, str]:
        """Return the kind of every source of a tenant, by name."""
        async with self._database.reading(tenant_id) as session:
            return await repository.kinds(session, tenant_id)

    async def find(self, tenant_id: str, name: str) -> tuple[str, Source] | None:
        """Return a tenant's source of a name as a specification would hold it, with its id, or None."""
        async with self._database.reading(tenant_id) as session:
            row = await repository.by_name(session, tenant_id, name)
        return None if row is None else (row.id, Source.model_validate({"id": row.name, "kind": row.kind, "config": row.config}))


async def naming_secret(session: AsyncSession, tenant_id: str, name: str) -> Sequence[Use]:
    """Return the sources whose config names a secret; a ``Finder``."""
    rows = await repository.holding(session, tenant_id, name)
    return [Use("source", row.id, row.name) for row in rows if name in secrets_in(row.config)]


def _wire(row: SourceRow) -> StoredSource:
    return StoredSource(**{name: getattr(row, name) for name in StoredSource.model_fields})
