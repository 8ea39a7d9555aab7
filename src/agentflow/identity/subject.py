"""Who is acting, for whom, and what they may do; made once at each transport's door."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from agentflow.errors import Forbidden
from agentflow.identity.permissions import Permission


class CredentialKind(StrEnum):
    """By what a caller is known."""

    KEY = "key"
    """An API key."""
    SESSION = "session"
    """A signed-in device: its access token, or the browser's cookie."""


class Presented(StrEnum):
    """What a request shows."""

    KEY = "key"
    """The secret of an API key."""
    TOKEN = "token"  # noqa: S105 - a name
    """An access token."""
    COOKIE = "cookie"
    """A browser's cookie."""


class Credential(NamedTuple):
    """The credential that a request came with.

    Attributes:
        kind: its kind.
        id: of the key or session.
        is_restricted: whether it stands for less than all that its user may do.
        lacks_factor: whether a second factor is demanded, and was not shown.
    """

    kind: CredentialKind
    id: str
    is_restricted: bool = False
    lacks_factor: bool = False


class ResourceKind(StrEnum):
    """What can be granted one by one."""

    WORKFLOW = "workflow"
    SOURCE = "source"
    COLLECTION = "collection"


class Resource(NamedTuple):
    """A single thing of the caller's tenant."""

    kind: ResourceKind
    id: str


Grants = Mapping[Resource, Set[Permission]]
_NOTHING: Grants = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Subject:
    """An authenticated caller.

    Attributes:
        tenant_id: the tenant whose data the caller sees; every repository method filters by it.
        user_id: the acting user.
        permissions: what the caller may do now on everything of the tenant: the rights of the user, cut down to those of the key.
        username: the acting user's name; may be empty.
        roles: names of the user's roles in the tenant.
        teams: names of the user's teams in the tenant.
        grants: what the caller may do besides on single things, cut down likewise.
        credential: what the request came with; of a run, the key that it was started with, None if it was none.
        withheld: what the user may do somewhere, and the scopes of the key leave out.
    """

    tenant_id: str
    user_id: str
    permissions: frozenset[Permission]
    username: str = ""
    roles: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    grants: Grants = field(default_factory=lambda: _NOTHING)
    credential: Credential | None = None
    withheld: frozenset[Permission] = frozenset()

    @property
    def key_id(self) -> str | None:
        """The API key that the request came with, None if it was none."""
        credential = self.credential
        return credential.id if credential is not None and credential.kind is CredentialKind.KEY else None

    @property
    def names(self) -> frozenset[str]:
        """What questions may be addressed to when they mean the caller: ``user:`` with id and name, ``role:`` and ``group:`` (a team)."""
        users = (f"user:{name}" for name in (self.user_id, self.username) if name)
        return frozenset((*users, *(f"role:{role}" for role in self.roles), *(f"group:{team}" for team in self.teams)))

    def may(self, permission: Permission, resource: Resource | None = None) -> bool:
        """Tell whether the caller has ``permission`` on everything, or on ``resource``."""
        return permission in self.permissions or (resource is not None and permission in self.grants.get(resource, ()))

    def require(self, permission: Permission, resource: Resource | None = None) -> None:
        """Raise Forbidden unless the caller has ``permission`` on everything, or on ``resource``."""
        if not self.may(permission, resource):
            raise self._lacks(permission)

    def _lacks(self, permission: Permission) -> Forbidden:
        if permission in self.withheld:
            hint = f"Its scopes cannot be changed. Make a key that has it: POST /api/v1/api-keys, or agentflow keys create --scope {permission.value}."
            return Forbidden(f"This key lacks the scope {permission.value}, which its user has.", hint=hint)
        return Forbidden(f"This needs the permission {permission.value}.", hint="Ask an administrator of your organisation for it.")

    def require_somewhere(self, permission: Permission) -> None:
        """Raise Forbidden unless the caller has ``permission`` on at least one thing; a service must then ask about the thing itself."""
        if not any(permission in granted for granted in self.grants.values()):
            self.require(permission)

    def granted(self, permission: Permission, kind: ResourceKind) -> frozenset[str] | None:
        """Return the ids of the things of one kind on which the caller has ``permission``; None when it is all of them."""
        if permission in self.permissions:
            return None
        return frozenset(resource.id for resource, allowed in self.grants.items() if resource.kind is kind and permission in allowed)
