"""Stored workflows as they cross the wire."""

from typing import Any

from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Resource, ResourceKind, Subject
from agentflow.workflows.cleaning import without_secrets
from agentflow.workflows.definitions.edit import Document
from agentflow.workflows.definitions.models import WorkflowRow
from agentflow.workflows.definitions.schemas import Version, Workflow
from agentflow.workflows.definitions.visibility import Visibility
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
        visibility=row.visibility,
        is_public=row.visibility == Visibility.PUBLIC.value,
        is_foreign=row.is_foreign,
        confirmed_hash=(row.confirmed or {}).get("spec_hash"),
        created_at=row.created_at,
        updated_at=row.updated_at,
        deleted_at=row.deleted_at,
    )


def shown(subject: Subject, workflow_id: str, spec: Document) -> Document:
    """Return a specification as a caller may see it: secrets that are written out in it are for those who could write them."""
    if subject.may(Permission.WORKFLOWS_WRITE, Resource(ResourceKind.WORKFLOW, workflow_id)):
        return spec
    cleaned: Document = without_secrets(spec)
    return cleaned


def to_version(row: VersionRow, spec: Document | None) -> Version:
    """Return a version as it crosses the wire, with its specification unless that is None."""
    return Version(
        workflow_id=row.workflow_id,
        number=row.number,
        spec=spec,
        spec_hash=row.spec_hash,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
    )
