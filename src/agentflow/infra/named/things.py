"""How things with a name are kept: made once, replaced, listed, and deleted when nobody uses them; each change with its audit record.

What they hold differs, and is given by the slice that they belong to.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from agentflow.errors import Conflict, NotFound
from agentflow.infra.audit.trail import Actor, Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.infra.db.pages import page_by
from agentflow.infra.db.repository import scoped
from agentflow.infra.db.uses import Finder, require_unused
from agentflow.infra.idempotency.keys import Idempotency
from agentflow.infra.idempotency.store import Once
from agentflow.infra.named.models import NamedRow
from agentflow.kit.clock import Clock
from agentflow.kit.ids import is_id, new_id
from agentflow.kit.pagination import Page, PageRequest

R = TypeVar("R", bound=NamedRow)
T = TypeVar("T", bound=BaseModel)

Contents: TypeAlias = Callable[[AsyncSession, str, int], Awaitable[Mapping[str, Any]]]
"""Given the session, the id and the version of a thing, returns the columns that are not common to all."""


class New(Protocol):
    """A thing to be made, as it comes over the wire."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def description(self) -> str | None:
        """What it is for."""
        ...


class Replacement(Protocol):
    """What a thing is to be, as it comes over the wire; a description that was not sent stays."""

    @property
    def description(self) -> str | None:
        """What it is for."""
        ...

    @property
    def model_fields_set(self) -> set[str]:
        """What was sent."""
        ...


@dataclass(frozen=True, slots=True)
class Kind(Generic[R, T]):
    """What the things of a slice are.

    Attributes:
        word: what they are called: ``secret``; its plural is their path.
        row: their table.
        answer: how they cross the wire.
        show: makes an answer of a row.
        missing: raised where there is none.
        taken: raised where there is one of the name.
    """

    word: str
    row: type[R]
    answer: type[T]
    show: Callable[[R], T]
    missing: type[NotFound]
    taken: type[Conflict]


class Things(Generic[R, T]):
    """The use cases that all of them have. ``which`` leaves only some of a tenant's things there: those that the caller may see.

    Args:
        kind: what they are.
        database: where they are stored.
        clock: what time stamps come from.
        once: creates things at most once per idempotency key.
        trail: where changes are written down.
        finders: know who uses one, by its name.
    """

    def __init__(self, kind: Kind[R, T], database: Database, clock: Clock, once: Once, trail: Trail, finders: Sequence[Finder]) -> None:
        self._kind = kind
        self._database = database
        self._clock = clock
        self._once = once
        self._trail = trail
        self._finders = finders

    async def create(self, actor: Actor, new: New, contents: Contents, idempotency: Idempotency | None = None, **noted: Any) -> T:
        """Store a new thing; ``noted`` stands in the audit record beside the name.

        Raises:
            Conflict: the tenant has one of this name, as the kind's ``taken``.
            IdempotencyKeyReused: the key was used with another request.
        """

        async def make(session: AsyncSession) -> T:
            now, id_ = self._clock.now(), new_id()
            known = {"id": id_, "tenant_id": actor.tenant_id, "name": new.name, "description": new.description, "version": 1}
            row = {**known, "created_at": now, "updated_at": now, **await contents(session, id_, 1)}
            await session.execute(insert(self._kind.row).values(row))
            await self._trail.add(session, actor, Deed(f"{self._kind.word}.created", id_, {"name": new.name, **noted}))
            return self._kind.show(self._kind.row(**row))

        try:
            return await self._once.create(actor.tenant_id, idempotency, self._kind.answer, make)
        except IntegrityError as error:
            raise self._kind.taken(f"There is a {self._kind.word} {new.name} already.", hint="PUT changes it.") from error

    async def replace(self, actor: Actor, ref: str, new: Replacement, contents: Contents, *which: ColumnElement[bool]) -> T:
        """Let a thing hold something else.

        Raises:
            NotFound: the tenant has none, as the kind's ``missing``.
        """
        async with self._database.transaction(actor.tenant_id) as session:
            row = await self.row(session, actor.tenant_id, ref, *which, lock=True)
            version = row.version + 1
            values = {
                **await contents(session, row.id, version),
                "version": version,
                "updated_at": self._clock.now(),
                "description": new.description if "description" in new.model_fields_set else row.description,
            }
            session.expunge(row)
            await session.execute(update(self._kind.row).where(*self._one(actor, row.id)).values(values))
            await self._trail.add(session, actor, Deed(f"{self._kind.word}.replaced", row.id, {"name": row.name, "version": version}))
            for name, value in values.items():
                setattr(row, name, value)
        return self._kind.show(row)

    async def get(self, actor: Actor, ref: str, *which: ColumnElement[bool]) -> T:
        """Return a thing by id or name.

        Raises:
            NotFound: the tenant has none, as the kind's ``missing``.
        """
        async with self._database.reading(actor.tenant_id) as session:
            return self._kind.show(await self.row(session, actor.tenant_id, ref, *which))

    async def list(self, actor: Actor, page: PageRequest, *which: ColumnElement[bool]) -> Page[T]:
        """Return one page of things by name.

        Raises:
            Malformed: unknown sort field, or a cursor of another list.
        """
        async with self._database.listing(actor.tenant_id) as session:
            found = await page_by(session, scoped(self._kind.row, actor.tenant_id).where(*which), self._kind.row.name, page)
        return Page([self._kind.show(row) for row in found.items], found.next_cursor, found.total)

    async def delete(self, actor: Actor, ref: str, *which: ColumnElement[bool]) -> None:
        """Delete a thing that nobody uses.

        Raises:
            NotFound: the tenant has none, as the kind's ``missing``.
            InUse: somebody names it.
        """
        async with self._database.transaction(actor.tenant_id) as session:
            row = await self.row(session, actor.tenant_id, ref, *which, lock=True)
            await require_unused(session, self._finders, actor.tenant_id, self._kind.word, row.name)
            await session.execute(delete(self._kind.row).where(*self._one(actor, row.id)))
            await self._trail.add(session, actor, Deed(f"{self._kind.word}.deleted", row.id, {"name": row.name}))

    async def row(self, session: AsyncSession, tenant_id: str, ref: str, *which: ColumnElement[bool], lock: bool = False) -> R:
        """Return the row of a thing by id or name; with ``lock`` it is held until the transaction ends.

        Raises:
            NotFound: there is none, as the kind's ``missing``.
        """
        table = self._kind.row
        query = scoped(table, tenant_id).where(table.id == ref if is_id(ref) else table.name == ref, *which)
        found: R | None = (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
        if found is None:
            word = self._kind.word
            raise self._kind.missing(f"There is no {word} {ref[:100]}.", hint=f"GET /api/v1/{word}s lists them; POST there stores one.")
        return found

    def _one(self, actor: Actor, id_: str) -> tuple[ColumnElement[bool], ...]:
        return (self._kind.row.tenant_id == actor.tenant_id, self._kind.row.id == id_)
