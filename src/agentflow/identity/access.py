"""What a user may do in an organisation now: roles, teams and grants, read from the database and remembered for seconds."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import String, and_, bindparam, cast, null, select, true, union_all

from agentflow.errors import Unauthenticated
from agentflow.identity.builtin_roles import INSTALLATION, PERMISSIONS
from agentflow.identity.models import GrantRow, MembershipRow, RoleRow, TeamMemberRow, TeamRow, TenantRow, UserRow
from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Credential, Grants, Resource, ResourceKind, Subject
from agentflow.infra.db.engine import Database
from agentflow.infra.db.lookup import Lookup
from agentflow.kit.clock import Clock
from agentflow.kit.memo import Memo

CACHE_S = 2.5
"""Seconds that rights are remembered; with those that a credential is (as long again) a change holds everywhere within five."""
CACHED = 10_000
LearnQuotas: TypeAlias = Callable[[str, Mapping[str, int] | None, float], None]
_BY_NAME = {permission.value: permission for permission in Permission}

_TEAMS = (
    select(TeamRow.id, TeamRow.name)
    .join_from(TeamMemberRow, TeamRow, TeamRow.id == TeamMemberRow.team_id)
    .where(TeamMemberRow.user_id == bindparam("user_id"), TeamRow.tenant_id == bindparam("tenant_id"))
)
_GRANTEES = union_all(
    select(UserRow.id.label("id"), cast(null(), String).label("team")).where(UserRow.id == bindparam("user_id")), _TEAMS
).subquery()
"""The user, and the user's teams: whom grants are looked for."""
_RIGHTS = Lookup(
    select(
        UserRow.username,
        UserRow.kind,
        MembershipRow.roles,
        TenantRow.is_operator,
        TenantRow.second_factor_required,
        TenantRow.quotas,
        _GRANTEES.c.team,
        GrantRow.resource_kind,
        GrantRow.resource_id,
        GrantRow.role,
        GrantRow.expires_at,
    )
    .join_from(MembershipRow, UserRow, UserRow.id == MembershipRow.user_id)
    .join(TenantRow, TenantRow.id == MembershipRow.tenant_id)
    .join(_GRANTEES, true())
    .outerjoin(GrantRow, and_(GrantRow.tenant_id == MembershipRow.tenant_id, GrantRow.grantee_id == _GRANTEES.c.id))
    .where(
        MembershipRow.user_id == bindparam("user_id"),
        MembershipRow.tenant_id == bindparam("tenant_id"),
        UserRow.disabled_at.is_(None),
        TenantRow.deleted_at.is_(None),
    )
)
"""A row for each grant of the user and of each team, one at least for each of these: one look, for this is looked up all the time."""
_ROLES = select(RoleRow.name, RoleRow.permissions).where(
    RoleRow.tenant_id == bindparam("tenant_id"), RoleRow.name.in_(bindparam("names", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Access:
    """What a user may do in one tenant.

    Attributes:
        username: the user's name.
        user_kind: person, guest or service.
        roles: names of the user's roles.
        teams: names of the user's teams.
        permissions: on everything of the tenant.
        grants: on single things besides.
        demands_factor: whether the tenant wants a second factor of who signs in.
    """

    username: str
    user_kind: str
    roles: frozenset[str]
    teams: frozenset[str]
    permissions: frozenset[Permission]
    grants: Grants
    demands_factor: bool = False

    def subject(self, tenant_id: str, user_id: str, credential: Credential | None = None, scopes: Set[Permission] | None = None) -> Subject:
        """Return the user as a caller; ``scopes`` are those of the credential, None for all that the user may."""
        permissions, grants, withheld = self.permissions, self.grants, frozenset[Permission]()
        if scopes is not None:
            withheld = _union((permissions, *grants.values())) - scopes
            permissions = permissions & scopes
            grants = {resource: allowed & scopes for resource, allowed in grants.items()}
        return Subject(tenant_id, user_id, permissions, self.username, self.roles, self.teams, grants, credential, withheld)


class AccessReader:
    """Looks up what users may do.

    Args:
        database: where memberships are.
        clock: the time, which ends grants.
        learn_quotas: told a tenant, its quotas and when the look for them began: every request of a user asks for them next.
    """

    def __init__(self, database: Database, clock: Clock, learn_quotas: LearnQuotas) -> None:
        self._database = database
        self._learn_quotas = learn_quotas
        self._clock = clock
        self._known: Memo[tuple[str, str], Access] = Memo(clock, CACHE_S, CACHED)
        self.when_forgotten: list[Callable[[], None]] = []
        """Called when rights were changed by this process: whoever remembers what follows from them forgets it too."""

    async def get(self, tenant_id: str, user_id: str) -> Access:
        """Return what a user may do in a tenant now, at most ``CACHE_S`` ago.

        Raises:
            Unauthenticated: the user is gone or disabled, the tenant is gone, or the one is no member of the other.
        """
        return await self._known.get((tenant_id, user_id), lambda: self._look_up(tenant_id, user_id))

    def forget(self) -> None:
        """Look everything up anew; this process has just changed something."""
        self._known.clear()
        for forget in self.when_forgotten:
            forget()

    async def _look_up(self, tenant_id: str, user_id: str) -> Access:
        begun = self._clock.monotonic()
        rows = await self._database.read_rows(_RIGHTS, {"tenant_id": tenant_id, "user_id": user_id})
        if not rows:
            raise Unauthenticated("The credential is not valid.", hint="Sign in again.")
        member, grants = rows[0], [row for row in rows if row.role is not None]
        self._learn_quotas(tenant_id, member.quotas, begun)
        custom = await self._custom(tenant_id, {*member.roles, *(grant.role for grant in grants)} - PERMISSIONS.keys())
        beyond = frozenset[Permission]() if member.is_operator else INSTALLATION
        permissions = {name: allowed - beyond for name, allowed in {**PERMISSIONS, **custom}.items()}
        return Access(
            username=member.username,
            user_kind=member.kind,
            roles=frozenset(member.roles),
            teams=frozenset(row.team for row in rows if row.team is not None),
            permissions=_union(permissions.get(role, frozenset()) for role in member.roles),
            grants=_grants(grants, permissions, self._clock.now()),
            demands_factor=member.second_factor_required,
        )

    async def _custom(self, tenant_id: str, names: Set[str]) -> dict[str, frozenset[Permission]]:
        if not names:
            return {}
        rows = await self._database.read_rows(_ROLES, {"tenant_id": tenant_id, "names": sorted(names)})
        return {row.name: known(row.permissions) for row in rows}


def known(names: Iterable[str]) -> frozenset[Permission]:
    """Return those of the stored names that are permissions of this version."""
    return frozenset(_BY_NAME[name] for name in names if name in _BY_NAME)


def _union(sets: Iterable[Set[Permission]]) -> frozenset[Permission]:
    return frozenset[Permission]().union(*sets)


def _grants(rows: Iterable[Any], permissions: Mapping[str, Set[Permission]], now: datetime) -> Grants:
    found: dict[Resource, frozenset[Permission]] = {}
    for row in rows:
        if row.expires_at is None or row.expires_at > now:
            resource = Resource(ResourceKind(row.resource_kind), row.resource_id)
            found[resource] = found.get(resource, frozenset()) | permissions.get(row.role, frozenset())
    return found
