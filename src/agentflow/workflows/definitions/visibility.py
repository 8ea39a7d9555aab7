"""Who sees a workflow, besides what roles and grants allow."""

from enum import StrEnum

from sqlalchemy import ColumnElement, or_

from agentflow.identity.permissions import Permission
from agentflow.identity.subject import Resource, ResourceKind, Subject
from agentflow.workflows.definitions.models import WorkflowRow


class Visibility(StrEnum):
    """How far a workflow can be seen."""

    PRIVATE = "private"
    """By its owner, and by those whom it is shared with."""
    ORGANISATION = "organisation"
    """By the members of its organisation, as far as their roles go."""
    PUBLIC = "public"
    """Also by everybody else, who may look at it and copy it."""


def sees_private(subject: Subject, needs: Permission) -> bool:
    """Tell whether a caller gets at private workflows of others: administrators, who could let themselves in, and for looking auditors."""
    administers = Permission.GRANTS_READ if needs.endswith(":read") else Permission.GRANTS_WRITE
    return administers in subject.permissions


def shared_with(subject: Subject, needs: Permission) -> list[str]:
    """Return the ids of the workflows on which a caller was granted a permission one by one."""
    kind = ResourceKind.WORKFLOW
    return sorted(resource.id for resource, allowed in subject.grants.items() if resource.kind is kind and needs in allowed)


def in_sight(subject: Subject, needs: Permission) -> list[ColumnElement[bool]]:
    """Return the conditions that leave the workflows on which a caller has a permission."""
    shared = shared_with(subject, needs)
    if needs not in subject.permissions and subject.grants:
        return [WorkflowRow.id.in_(shared)]
    if sees_private(subject, needs):
        return []
    is_open = [WorkflowRow.visibility != Visibility.PRIVATE.value, WorkflowRow.owner_id == subject.user_id]
    return [or_(*is_open, WorkflowRow.id.in_(shared)) if shared else or_(*is_open)]


def is_in_sight(subject: Subject, needs: Permission, workflow_id: str, owner_id: str, visibility: str) -> bool:
    """Tell of one workflow what ``in_sight`` says of all."""
    if needs not in subject.permissions and subject.grants:
        return subject.may(needs, Resource(ResourceKind.WORKFLOW, workflow_id))
    if visibility != Visibility.PRIVATE.value or owner_id == subject.user_id or sees_private(subject, needs):
        return True
    return needs in subject.grants.get(Resource(ResourceKind.WORKFLOW, workflow_id), ())
