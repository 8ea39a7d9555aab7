"""What can go wrong with sharing."""

from agentflow.errors import Conflict, NotFound


class LinkNotFound(NotFound):
    """The workflow has no such link, or whoever follows it finds nothing: it was revoked, used up, is too old, or never was."""

    code, title = "LINK_NOT_FOUND", "Link not found"


class WorkflowPrivate(Conflict):
    """A private workflow has no links."""

    code, title = "WORKFLOW_PRIVATE", "Workflow private"


class TooManyLinks(Conflict):
    """The workflow has as many links as it may have."""

    code, title = "TOO_MANY_LINKS", "Too many links"


class GranteeNotFound(NotFound):
    """The organisation has no such member or team."""

    code, title = "GRANTEE_NOT_FOUND", "Member or team not found"
