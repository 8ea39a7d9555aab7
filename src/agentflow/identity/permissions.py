"""What a caller may be allowed to do."""

from enum import StrEnum


class Permission(StrEnum):
    """``resource:action``, in alphabetical order; the resource is the noun of the REST path."""

    ARTIFACTS_READ = "artifacts:read"
    """List and download artifacts; large values of runs need `runs:read` too."""
    ARTIFACTS_WRITE = "artifacts:write"
    """Send and delete artifacts."""
    COLLECTIONS_READ = "collections:read"
    """List collections and documents, and search them."""
    COLLECTIONS_WRITE = "collections:write"
    """Make, fill and delete collections."""
    METRICS_READ = "metrics:read"
    """Read the metrics."""
    NODE_TYPES_READ = "node-types:read"
    """Read the node types and the schema of specifications."""
    RUNS_APPROVE = "runs:approve"
    """Answer what runs wait for, where the question is addressed to the caller or to nobody in particular."""
    RUNS_APPROVE_ANY = "runs:approve-any"
    """Answer and reassign also what others are asked."""
    RUNS_CANCEL = "runs:cancel"
    """End runs."""
    RUNS_DELETE = "runs:delete"
    """Delete runs that have ended."""
    RUNS_READ = "runs:read"
    """List runs and read their nodes and events, and what they wait for."""
    RUNS_SIGNAL = "runs:signal"
    """Send events to runs."""
    WORKFLOWS_EXECUTE = "workflows:execute"
    """Start runs."""
    WORKFLOWS_READ = "workflows:read"
    """List, read, validate and export workflows."""
    WORKFLOWS_WRITE = "workflows:write"
    """Make, change, import, fork, delete and restore workflows."""


ALL_PERMISSIONS = frozenset(Permission)
"""What the owner may do."""
