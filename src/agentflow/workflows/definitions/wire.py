"""Stored workflows as they cross the wire."""

from typing import Any

from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.schemas import Version, Workflow
from agentflow.workflows.versions.models import VersionRow


def etag(version: int, updated_at: Any) -> str:
    """Return the entity tag of a workflow in a given state, without the quotes that it wears in a header."""
    return f"{version}-{int(updated_at.timestamp() * 1_000_000):x}"


def to_workflow(row: WorkflowRow, spec: Document) -> Workflow:
    """Return a workflow as it crosses the wire, with the specification of its current version."""
    return Workflow(
        id=row.id,
        name=row.name,
        description=row.description,
        status=row.status,
        tags=row.tags,
        version=row.version,
        valid=row.valid,
        retention=row.retention,
        spec=spec,
        owner_id=row.owner_id,
        fork_from_id=row.fork_from_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )


def to_version(row: VersionRow, *, with_spec: bool) -> Version:
    """Return a version as it crosses the wire."""
    return Version(
        workflow_id=row.workflow_id,
        number=row.number,
        spec=row.spec if with_spec else None,
        spec_hash=row.spec_hash,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
    )
