"""Variables: store, change, list, delete, and hand to runs."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.uses import Finder, require_unused
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest
from agentflow.variables import repository
from agentflow.variables.errors import VariableExists
from agentflow.variables.models import VariableRow
from agentflow.variables.schemas import Variable, VariableCreate, VariableReplace


class VariableService:
    """The use cases of variables.

    Args:
        database: where they are stored.
        clock: what time stamps come from.
        once: creates things at most once per idempotency key.
        trail: where changes are written down.
        finders: know who uses a variable, by its name.
    """

    def __init__(self, database: Database, clock: Clock, once: Once, trail: Trail, finders: Sequence[Finder]) -> None:
        self._database = database
        self._clock = clock
        self._once = once
        self._trail = trail
        self._finders = finders

    async def create(self, subject: Subject, new: VariableCreate, *, idempotency: Idempotency | None = None) -> Variable:
        """Store a new variable.

        Raises:
            VariableExists: the tenant has one of this name.
            IdempotencyKeyReused: the key was used with another request.
        """
        now = self._clock.now()
        row = {
            "id": new_id(),
            "tenant_id": subject.tenant_id,
            "name": new.name,
            "description": new.description,
            "value": {"value": new.value},
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }

        async def make(session: AsyncSession) -> Variable:
            await repository.create(session, row)
            await self._trail.add(session, subject, Deed("variable.created", str(row["id"]), {"name": new.name}))
            return _wire(VariableRow(**row))

        try:
            return await self._once.create(subject.tenant_id, idempotency, Variable, make)
        except IntegrityError as error:
            raise VariableExists(f"There is a variable {new.name} already.", hint="PUT gives it another value.") from error

    async def replace(self, subject: Subject, ref: str, new: VariableReplace) -> Variable:
        """Give a variable another value; runs that were accepted before keep the old one.

        Raises:
            VariableNotFound: the tenant has none.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject, ref, lock=True)
            changed = {
                "value": {"value": new.value},
                "version": row.version + 1,
                "updated_at": self._clock.now(),
                "description": new.description if "description" in new.model_fields_set else row.description,
            }
            session.expunge(row)
            await repository.change(session, subject, row.id, changed)
            await self._trail.add(session, subject, Deed("variable.replaced", row.id, {"name": row.name, "version": row.version + 1}))
            for name, value in changed.items():
                setattr(row, name, value)
        return _wire(row)

    async def get(self, subject: Subject, ref: str) -> Variable:
        """Return a variable.

        Raises:
            VariableNotFound: the tenant has none.
        """
        async with self._database.reading(subject.tenant_id) as session:
            return _wire(await repository.get(session, subject, ref))

    async def list(self, subject: Subject, page: PageRequest) -> Page[Variable]:
        """Return one page of variables by name.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        async with self._database.reading(subject.tenant_id) as session:
            found = await repository.list_page(session, subject, page)
        return Page([_wire(row) for row in found.items], found.next_cursor, found.total)

    async def delete(self, subject: Subject, ref: str) -> None:
        """Delete a variable that no workflow uses.

        Raises:
            VariableNotFound: the tenant has none.
            InUse: a workflow names it.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.get(session, subject, ref, lock=True)
            await require_unused(session, self._finders, subject.tenant_id, "variable", row.name)
            await repository.remove(session, subject, row.id)
            await self._trail.add(session, subject, Deed("variable.deleted", row.id, {"name": row.name}))

    async def names(self, tenant_id: str) -> frozenset[str]:
        """Return the names of a tenant's variables."""
        async with self._database.reading(tenant_id) as session:
            return await repository.names(session, tenant_id)

    async def values(self, tenant_id: str, wanted: Collection[str] | None) -> dict[str, Any]:
        """Return the values of the variables that there are among ``wanted``, of all where that is None."""
        async with self._database.reading(tenant_id) as session:
            return await repository.values(session, tenant_id, wanted)


def _wire(row: VariableRow) -> Variable:
    known = {name: getattr(row, name) for name in Variable.model_fields if name != "value"}
    return Variable(**known, value=row.value["value"])
