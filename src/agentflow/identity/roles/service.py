"""Roles: what they allow, who may give them, and the roles that an organisation makes for itself."""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from agentflow.identity.access import AccessReader, known
from agentflow.identity.builtin_roles import INSTALLATION, PERMISSIONS, BuiltinRole
from agentflow.identity.permissions import Permission
from agentflow.identity.roles import repository
from agentflow.identity.roles.errors import BeyondOwnRights, RoleBuiltIn, RoleExists, RoleInUse, RoleNotFound, UnknownRole
from agentflow.identity.roles.schemas import Role, RoleCreate, RoleUpdate
from agentflow.identity.subject import Resource, Subject
from agentflow.infra.audit.trail import Deed, Trail
from agentflow.infra.db.engine import Database
from agentflow.kit.clock import Clock
from agentflow.kit.ids import new_id

MAX_ROLES = 200
DESCRIPTIONS: Mapping[str, str] = {
    BuiltinRole.OWNER: "Everything, and the only one who may delete the organisation or make owners.",
    BuiltinRole.ADMIN: "Everything but deleting the organisation and making owners.",
    BuiltinRole.DEVELOPER: "Makes, changes and runs workflows and all they need.",
    BuiltinRole.VIEWER: "Reads workflows, runs and what they need; changes nothing.",
    BuiltinRole.EXECUTOR: "Runs workflows that others made, and answers what they ask.",
    BuiltinRole.AUDITOR: "Reads everything, also who may do what; changes nothing.",
}


async def allowed_by(session: AsyncSession, tenant_id: str, names: Iterable[str]) -> frozenset[Permission]:
    """Return what roles allow together in a tenant.

    Raises:
        UnknownRole: the tenant has not all of them.
    """
    wanted = set(names)
    own = {row.name: known(row.permissions) for row in await repository.list_roles(session, tenant_id, wanted - PERMISSIONS.keys())}
    unknown = sorted(wanted - PERMISSIONS.keys() - own.keys())
    if unknown:
        raise UnknownRole(f"There is no role {', '.join(unknown)}.", hint="GET /api/v1/roles lists them.")
    together = frozenset[Permission]().union(*({**PERMISSIONS, **own}[name] for name in wanted))
    return together if await repository.is_operator(session, tenant_id) else together - INSTALLATION


async def require_within(session: AsyncSession, subject: Subject, names: Iterable[str], on: Resource | None = None) -> None:
    """Let nobody give roles, or take them from somebody, that allow more than what they may do themselves: everywhere, or on one thing.

    Raises:
        BeyondOwnRights: the roles do.
        UnknownRole: the tenant has not all of them.
    """
    check_within(subject, await allowed_by(session, subject.tenant_id, names), on)


def check_within(subject: Subject, permissions: Set[Permission], on: Resource | None = None) -> None:
    """Raise BeyondOwnRights unless the caller has all of ``permissions``: everywhere, or on one thing."""
    missing = sorted(permission for permission in permissions if not subject.may(permission, on))
    if missing:
        raise BeyondOwnRights(
            f"You do not have {', '.join(missing[:5])}{' and others' if len(missing) > 5 else ''} yourself.",  # noqa: PLR2004 - enough to see
            hint="Ask somebody who has; owners have everything.",
        )


class RoleService:
    """The use cases of roles.

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

    async def list(self, subject: Subject) -> list[Role]:
        """Return every role of the tenant."""
        async with self._database.reading(subject.tenant_id) as session:
            own = await repository.list_roles(session, subject.tenant_id)
        built_in = [_built_in(name) for name in BuiltinRole]
        return [*built_in, *(_own(row.name, row.description, row.permissions) for row in own)]

    async def get(self, subject: Subject, name: str) -> Role:
        """Return a role.

        Raises:
            RoleNotFound: there is none of this name.
        """
        if name in PERMISSIONS:
            return _built_in(name)
        async with self._database.reading(subject.tenant_id) as session:
            row = await repository.find(session, subject.tenant_id, name)
        if row is None:
            raise _not_found(name)
        return _own(row.name, row.description, row.permissions)

    async def create(self, subject: Subject, new: RoleCreate) -> Role:
        """Make a role.

        Raises:
            BeyondOwnRights: it would allow more than its maker may.
            RoleExists: there is one of this name.
        """
        if new.name in PERMISSIONS:
            raise _exists(new.name)
        check_within(subject, set(new.permissions))
        now = self._clock.now()
        row: dict[str, Any] = {"id": new_id(), "tenant_id": subject.tenant_id, "name": new.name, "description": new.description}
        row |= {"permissions": sorted(set(new.permissions)), "created_at": now, "updated_at": now}
        try:
            async with self._database.transaction(subject.tenant_id) as session:
                if len(await repository.list_roles(session, subject.tenant_id)) >= MAX_ROLES:
                    raise RoleExists(f"An organisation has {MAX_ROLES} roles at most.", hint="Delete one first.")
                await repository.add(session, row)
                said = {"permissions": row["permissions"]}
                await self._trail.add(session, subject, Deed("role.created", new.name, said))
        except IntegrityError as error:
            raise _exists(new.name) from error
        return _own(new.name, new.description, new.permissions)

    async def update(self, subject: Subject, name: str, new: RoleUpdate) -> Role:
        """Let a role allow something else; it holds for everybody who has it, everywhere within five seconds.

        Raises:
            RoleNotFound: there is none of this name.
            RoleBuiltIn: it came with the program.
            BeyondOwnRights: it allows, or would allow, more than the caller may.
        """
        _require_own(name)
        async with self._database.transaction(subject.tenant_id) as session:
            row = await repository.find(session, subject.tenant_id, name)
            if row is None:
                raise _not_found(name)
            check_within(subject, known(row.permissions) | set(new.permissions))
            values = {"description": new.description, "permissions": sorted(set(new.permissions)), "updated_at": self._clock.now()}
            await repository.change(session, subject.tenant_id, name, values)
            said = {"permissions": values["permissions"], "before": sorted(known(row.permissions))}
            await self._trail.add(session, subject, Deed("role.updated", name, said))
        self._access.forget()
        return _own(name, new.description, new.permissions)

    async def delete(self, subject: Subject, name: str) -> None:
        """Delete a role.

        Raises:
            RoleNotFound: there is none of this name.
            RoleBuiltIn: it came with the program.
            RoleInUse: somebody has it.
        """
        _require_own(name)
        async with self._database.transaction() as session:
            await repository.lock_tenant(session, subject.tenant_id)
            if await repository.find(session, subject.tenant_id, name) is None:
                raise _not_found(name)
            if await repository.is_held(session, subject.tenant_id, name):
                raise RoleInUse(f"Somebody has the role {name}.", hint="Give them another first.")
            await repository.remove(session, subject.tenant_id, name)
            await self._trail.add(session, subject, Deed("role.deleted", name))


def _require_own(name: str) -> None:
    if name in PERMISSIONS:
        raise RoleBuiltIn(f"The role {name} came with the program.", hint="Make one of your own like it.")


def _exists(name: str) -> RoleExists:
    return RoleExists(f"There is a role {name} already.", hint="Choose another name, or change that one.")


def _not_found(name: str) -> RoleNotFound:
    return RoleNotFound(f"There is no role {name[:100]}.", hint="GET /api/v1/roles lists them.")


def _built_in(name: str) -> Role:
    return Role(name=str(name), description=DESCRIPTIONS[name], permissions=sorted(PERMISSIONS[name]), is_built_in=True)


def _own(name: str, description: str | None, permissions: Iterable[str]) -> Role:
    return Role(name=name, description=description, permissions=sorted(known(permissions)), is_built_in=False)
