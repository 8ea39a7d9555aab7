"""The roles that every organisation has; what they allow follows from rules, so that a new permission has its place at once."""

from collections.abc import Mapping, Set
from enum import StrEnum

from agentflow.identity.permissions import ALL_PERMISSIONS, Permission


class BuiltinRole(StrEnum):
    """The names; an organisation cannot change or delete them, nor call a role of its own like them."""

    OWNER = "owner"
    """Everything, and the only one who may delete the organisation or make owners. There is always one."""
    ADMIN = "admin"
    """Everything but deleting the organisation and making owners."""
    DEVELOPER = "developer"
    """Makes, changes and runs workflows and all they need."""
    VIEWER = "viewer"
    """Reads workflows, runs and what they need; changes nothing."""
    EXECUTOR = "executor"
    """Runs workflows that others made, and answers what they ask."""
    AUDITOR = "auditor"
    """Reads everything, also who may do what and who did it; changes nothing."""


ADMINISTRATION = frozenset({"audit", "grants", "members", "roles", "teams", "tenants", "users"})
"""Resources that say who may do what, or who did it; to look at them is more than a viewer needs."""
_OWN_KEYS = frozenset({Permission.API_KEYS_READ, Permission.API_KEYS_WRITE})
_ELEVATED = frozenset({Permission.API_KEYS_MANAGE, Permission.RUNS_APPROVE_ANY, Permission.METRICS_READ, Permission.SECRETS_ROTATE})
"""Outside the administration, and yet not for everybody who works with workflows."""


def _resource(permission: Permission) -> str:
    return permission.partition(":")[0]


def _is_read(permission: Permission) -> bool:
    return permission.endswith(":read")


_ORDINARY = frozenset(p for p in ALL_PERMISSIONS if _resource(p) not in ADMINISTRATION and p not in _ELEVATED)
_VIEWER = frozenset(p for p in _ORDINARY if _is_read(p)) | _OWN_KEYS | {Permission.TENANTS_READ, Permission.MEMBERS_READ}

INSTALLATION = frozenset({Permission.METRICS_READ, Permission.SECRETS_ROTATE, Permission.TENANTS_MANAGE})
"""What concerns all organisations: held in the one that runs the installation only, whatever the role."""

PERMISSIONS: Mapping[str, Set[Permission]] = {
    BuiltinRole.OWNER: ALL_PERMISSIONS,
    BuiltinRole.ADMIN: ALL_PERMISSIONS - {Permission.TENANTS_DELETE},
    BuiltinRole.DEVELOPER: _ORDINARY | _VIEWER | {Permission.METRICS_READ, Permission.TEAMS_READ},
    BuiltinRole.VIEWER: _VIEWER,
    BuiltinRole.EXECUTOR: _OWN_KEYS
    | {
        Permission.ARTIFACTS_READ,
        Permission.COLLECTIONS_USE,
        Permission.NODE_TYPES_READ,
        Permission.RUNS_APPROVE,
        Permission.RUNS_CANCEL,
        Permission.RUNS_PAUSE,
        Permission.RUNS_READ,
        Permission.RUNS_SIGNAL,
        Permission.SECRETS_USE,
        Permission.SOURCES_USE,
        Permission.WORKFLOWS_EXECUTE,
        Permission.WORKFLOWS_READ,
    },
    BuiltinRole.AUDITOR: frozenset(p for p in ALL_PERMISSIONS if _is_read(p)),
}
"""What each allows; of a custom role the organisation says it."""
