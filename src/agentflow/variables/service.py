"""Variables: store, change, list, delete, and hand to runs."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.subject import Subject
from agentflow.infra.audit.trail import Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.uses import Finder
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.infra.named.things import Contents, Kind, Things
from agentflow.kit.clock import Clock
from agentflow.kit.pagination import Page, PageRequest
from agentflow.variables import repository
from agentflow.variables.errors import VariableExists, VariableNotFound
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
        self._things = Things(VARIABLES, database, clock, once, trail, finders)

    async def create(self, subject: Subject, new: VariableCreate, *, idempotency: Idempotency | None = None) -> Variable:
        """Store a new variable.

        Raises:
            VariableExists: the tenant has one of this name.
            IdempotencyKeyReused: the key was used with another request.
        """
        return await self._things.create(subject, new, _holding(new.value), idempotency)

    async def replace(self, subject: Subject, ref: str, new: VariableReplace) -> Variable:
        """Give a variable another value; runs that were accepted before keep the old one.

        Raises:
            VariableNotFound: the tenant has none.
        """
        return await self._things.replace(subject, ref, new, _holding(new.value))

    async def get(self, subject: Subject, ref: str) -> Variable:
        """Return a variable.

        Raises:
            VariableNotFound: the tenant has none.
        """
        return await self._things.get(subject, ref)

    async def list(self, subject: Subject, page: PageRequest) -> Page[Variable]:
        """Return one page of variables by name.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        return await self._things.list(subject, page)

    async def delete(self, subject: Subject, ref: str) -> None:
        """Delete a variable that no workflow uses.

        Raises:
            VariableNotFound: the tenant has none.
            InUse: a workflow names it.
        """
        await self._things.delete(subject, ref)

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


VARIABLES = Kind("variable", VariableRow, Variable, _wire, VariableNotFound, VariableExists)


def _holding(value: Any) -> Contents:
    async def columns(_session: AsyncSession, _id: str, _version: int) -> dict[str, Any]:
        return {"value": {"value": value}}

    return columns
