"""What a caller may be allowed to do."""

from enum import StrEnum


class Permission(StrEnum):
    """``resource:action``, in alphabetical order; the resource is the noun of the REST path."""

    COLLECTIONS_READ = "collections:read"
    COLLECTIONS_WRITE = "collections:write"
    METRICS_READ = "metrics:read"
    NODE_TYPES_READ = "node-types:read"
    RUNS_CANCEL = "runs:cancel"
    RUNS_READ = "runs:read"
    WORKFLOWS_EXECUTE = "workflows:execute"
    WORKFLOWS_READ = "workflows:read"
    WORKFLOWS_WRITE = "workflows:write"


ALL_PERMISSIONS = frozenset(Permission)
"""What the owner may do."""
