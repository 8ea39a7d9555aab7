"""Who is acting, for whom, and what they may do; made once at each transport's door."""

from dataclasses import dataclass

from agentflow.errors import Forbidden
from agentflow.identity.permissions import Permission


@dataclass(frozen=True, slots=True)
class Subject:
    """An authenticated caller.

    Attributes:
        tenant_id: the tenant whose data the caller sees; every repository method filters by it.
        user_id: the acting user.
        permissions: what the caller may do now.
        username: the acting user's name; empty where a run acts for its user.
    """

    tenant_id: str
    user_id: str
    permissions: frozenset[Permission]
    username: str = ""

    @property
    def names(self) -> frozenset[str]:
        """What questions may be addressed to when they mean the caller: ``user:…`` with the id and with the name."""
        return frozenset(f"user:{name}" for name in (self.user_id, self.username) if name)

    def require(self, permission: Permission) -> None:
        """Raise Forbidden unless the caller has ``permission``."""
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission.value}.", hint="Ask an administrator of your organisation for it.")
