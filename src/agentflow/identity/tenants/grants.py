"""Grants: what a role allows, for one user or team, on a single workflow, source or collection."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.errors import Invalid
from agentflow.identity.access import AccessReader
from agentflow.identity.roles.service import require_within
from agentflow.identity.subject import Resource, ResourceKind, Subject
from agentflow.identity.tenants import repository
from agentflow.identity.tenants.errors import GrantExists, GrantNotFound, ResourceNotFound, TeamNotFound
from agentflow.identity.tenants.schemas import Grant, GrantCreate
from agentflow.identity.tenants.service import require_member
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id
from agentflow.kit.pagination import Page, PageRequest

Finder = Callable[[Subject, str], Awaitable[bool]]
"""Tells whether the caller's organisation has a thing of this id."""


class GrantService:
    """The use cases of grants.

    Args:
        database: where they are.
        clock: the time.
        access: told when somebody's rights change.
        finders: find things, by their kind.
        trail: where changes are written down.
    """

    def __init__(
        self, database: Database, clock: Clock, access: AccessReader, finders: Mapping[ResourceKind, Finder], trail: Trail
    ) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._access = access
        self._finders = finders

    async def list(self, subject: Subject, page: PageRequest, wanted: Mapping[str, str]) -> Page[Grant]:
        """Return one page of the organisation's grants; ``wanted`` are fields with the values to look for."""
        async with self._database.reading(subject.tenant_id) as session:
            found = await repository.list_grants(session, subject.tenant_id, page, wanted)
        return Page([_grant(row._mapping) for row in found.items], found.next_cursor, found.total)  # noqa: SLF001 - SQLAlchemy's public name

    async def create(self, subject: Subject, new: GrantCreate) -> Grant:
        """Grant somebody something; it holds everywhere within five seconds.

        Raises:
            ResourceNotFound: there is no such thing in the organisation.
            MemberNotFound: the user is no member.
            TeamNotFound: there is no such team.
            BeyondOwnRights: the role allows what the caller may not.
            UnknownRole: the organisation has it not.
            GrantExists: the grantee has a grant on the thing.
            Invalid: it would be over before it begins.
        """
        resource = Resource(new.resource_kind, new.resource_id)
        finder = self._finders.get(resource.kind)
        if finder is None or not await finder(subject, resource.id):
            raise ResourceNotFound(f"There is no such {resource.kind} in the organisation.", hint="Grants name things by their ids.")
        async with self.giving() as session:
            made = await self.add(session, subject, new)
            said = made.model_dump(include={"grantee_kind", "grantee_id", "resource_kind", "resource_id", "role"})
            await self._trail.add(session, subject, Deed("grant.created", made.id, said))
        return made

    @asynccontextmanager
    async def giving(self) -> AsyncIterator[AsyncSession]:
        """Open the transaction of ``add``; what was granted holds from its end on.

        Raises:
            GrantExists: the grantee has a grant on the thing.
        """
        try:
            async with self._database.transaction() as session:
                yield session
        except IntegrityError as error:
            raise GrantExists("This user or team has a grant on it already.", hint="Delete that one first.") from error
        self._access.forget()

    async def add(self, session: AsyncSession, giver: Subject, new: GrantCreate, link_id: str | None = None) -> Grant:
        """Grant something that is known to be there, in the caller's transaction; ``link_id`` is the link that it is taken from.

        Raises:
            MemberNotFound: the user is no member.
            TeamNotFound: there is no such team.
            BeyondOwnRights: the role allows what the giver may not, neither everywhere nor on this thing.
            UnknownRole: the organisation has it not.
            Invalid: it would be over before it begins.
        """
        now = self._clock.now()
        if new.expires_at is not None and new.expires_at <= now:
            raise Invalid("The grant would have ended already.", hint="Choose a time to come.")
        row = {"id": new_id(), "tenant_id": giver.tenant_id, **new.model_dump(), "created_by": giver.user_id, "created_at": now}
        await self._require_grantee(session, giver, new)
        await require_within(session, giver, [new.role], Resource(new.resource_kind, new.resource_id))
        await repository.add_grant(session, {**row, "link_id": link_id})
        return _grant(row)

    async def _require_grantee(self, session: AsyncSession, subject: Subject, new: GrantCreate) -> None:
        if new.grantee_kind == "user":
            await require_member(session, subject.tenant_id, new.grantee_id)
        elif await repository.find_team(session, subject.tenant_id, new.grantee_id) is None:
            raise TeamNotFound("There is no such team.", hint="GET /api/v1/teams lists them.")

    async def take(self, session: AsyncSession, subject: Subject, grant_id: str, on: Resource | None = None) -> None:
        """Take a grant back in the caller's transaction: any, or one on a certain thing.

        Raises:
            GrantNotFound: there is none of this id.
        """
        if not await repository.remove_grant(session, subject.tenant_id, grant_id, on):
            raise GrantNotFound("There is no such grant.", hint="GET /api/v1/grants lists them.")

    async def delete(self, subject: Subject, grant_id: str) -> None:
        """Take a grant back.

        Raises:
            GrantNotFound: there is none of this id.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            await self.take(session, subject, grant_id)
            await self._trail.add(session, subject, Deed("grant.deleted", grant_id))
        self._access.forget()


def _grant(row: Mapping[Any, Any]) -> Grant:
    return Grant(**{name: row[name] for name in Grant.model_fields})
