"""What a caller may be allowed to do."""

from enum import StrEnum


class Permission(StrEnum):
    """``resource:action``, in alphabetical order; the resource is the noun of the REST path."""

    COLLECTIONS_READ = "collections:read"
    """List collections and documents, and search them."""
    COLLECTIONS_WRITE = "collections:write"
    """Make, fill and delete collections."""
    METRICS_READ = "metrics:read"
    """Read the metrics."""
    NODE_TYPES_READ = "node-types:read"
    """Read the node types and the schema of specifications."""
    RUNS_CANCEL = "runs:cancel"
    """End runs."""
    RUNS_READ = "runs:read"
    """List runs and read their nodes and events."""
    WORKFLOWS_EXECUTE = "workflows:execute"
    """Start runs."""
    WORKFLOWS_READ = "workflows:read"
    """List, read, validate and export workflows."""
    WORKFLOWS_WRITE = "workflows:write"
    """Make, change, import, fork, delete and restore workflows."""


ALL_PERMISSIONS = frozenset(Permission)
"""What the owner may do."""
