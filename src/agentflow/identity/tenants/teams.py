"""Teams: members of an organisation under a name, to whom things are granted and questions addressed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.access import AccessReader
from agentflow.identity.models import TeamRow
from agentflow.identity.roles.service import require_within
from agentflow.identity.subject import Subject
from agentflow.identity.tenants import repository
from agentflow.identity.tenants.errors import TeamExists, TeamNotFound
from agentflow.identity.tenants.schemas import Team, TeamWrite
from agentflow.identity.tenants.service import require_member
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

MAX_TEAMS = 500


class Teams:
    """The use cases of teams.

    Args:
        database: where they are.
        clock: the time.
        access: told when somebody's rights change.
        trail: where changes are written down.
    """

    def __init__(self, database: Database, clock: Clock, access: AccessReader, trail: Trail) -> None:
        self._trail = trail
        self._database = database
        self._clock = clock
        self._access = access

    async def list(self, subject: Subject) -> list[Team]:
        """Return the teams of the organisation, by name."""
        async with self._database.reading(subject.tenant_id) as session:
            members = await repository.team_members(session, subject.tenant_id)
            return [_team(row, members.get(row.id, ())) for row in await repository.list_teams(session, subject.tenant_id)]

    async def get(self, subject: Subject, team_id: str) -> Team:
        """Return a team.

        Raises:
            TeamNotFound: there is none of this id.
        """
        async with self._database.reading(subject.tenant_id) as session:
            return await self._read(session, subject, team_id)

    async def _read(self, session: AsyncSession, subject: Subject, team_id: str) -> Team:
        row = await repository.find_team(session, subject.tenant_id, team_id)
        if row is None:
            raise TeamNotFound("There is no such team.", hint="GET /api/v1/teams lists them.")
        return _team(row, (await repository.team_members(session, subject.tenant_id)).get(row.id, ()))

    async def create(self, subject: Subject, new: TeamWrite) -> Team:
        """Make a team without members.

        Raises:
            TeamExists: there is one of this name, or there are too many.
        """
        row: dict[str, Any] = {"id": new_id(), "tenant_id": subject.tenant_id, "name": new.name, "description": new.description}
        row |= {"created_at": self._clock.now()}
        try:
            async with self._database.transaction(subject.tenant_id) as session:
                if len(await repository.list_teams(session, subject.tenant_id)) >= MAX_TEAMS:
                    raise TeamExists(f"An organisation has {MAX_TEAMS} teams at most.", hint="Delete one first.")
                await repository.add_team(session, row)
                await self._trail.add(session, subject, Deed("team.created", row["id"], {"name": new.name}))
        except IntegrityError as error:
            raise _exists(new.name) from error
        return _team(TeamRow(**row), ())

    async def update(self, subject: Subject, team_id: str, new: TeamWrite) -> Team:
        """Change a team's name and description.

        Raises:
            TeamNotFound: there is none of this id.
            TeamExists: there is another of this name.
        """
        try:
            async with self._database.transaction(subject.tenant_id) as session:
                await self._read(session, subject, team_id)
                await repository.change_team(session, subject.tenant_id, team_id, {"name": new.name, "description": new.description})
                await self._trail.add(session, subject, Deed("team.updated", team_id, {"name": new.name}))
                changed = await self._read(session, subject, team_id)
        except IntegrityError as error:
            raise _exists(new.name) from error
        self._access.forget()
        return changed

    async def delete(self, subject: Subject, team_id: str) -> None:
        """Delete a team with what is granted to it.

        Raises:
            TeamNotFound: there is none of this id.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            team = await self._read(session, subject, team_id)
            await repository.remove_team(session, subject.tenant_id, team_id)
            await self._trail.add(session, subject, Deed("team.deleted", team_id, {"name": team.name}))
        self._access.forget()

    async def join(self, subject: Subject, team_id: str, user_id: str) -> Team:
        """Let a member of the organisation into a team.

        Raises:
            TeamNotFound: there is none of this id.
            MemberNotFound: the user is no member.
            BeyondOwnRights: the team is granted what the caller may not do.
        """
        async with self._database.transaction() as session:
            await self._read(session, subject, team_id)
            await require_member(session, subject.tenant_id, user_id)
            await require_within(session, subject, await repository.roles_granted(session, subject.tenant_id, team_id))
            await repository.join_team(session, subject.tenant_id, team_id, user_id)
            await self._trail.add(session, subject, Deed("team.joined", team_id, {"user_id": user_id}))
            changed = await self._read(session, subject, team_id)
        self._access.forget()
        return changed

    async def leave(self, subject: Subject, team_id: str, user_id: str) -> None:
        """Let a member out of a team; nothing happens when the user is not in it.

        Raises:
            TeamNotFound: there is none of this id.
        """
        async with self._database.transaction(subject.tenant_id) as session:
            await self._read(session, subject, team_id)
            if await repository.leave_team(session, subject.tenant_id, team_id, user_id):
                await self._trail.add(session, subject, Deed("team.left", team_id, {"user_id": user_id}))
        self._access.forget()


def _exists(name: str) -> TeamExists:
    return TeamExists(f"There is a team {name} already.", hint="Choose another name.")


def _team(row: TeamRow, members: Sequence[str]) -> Team:
    return Team(id=row.id, name=row.name, description=row.description, members=list(members), created_at=row.created_at)
