"""What can go wrong with the audit log."""

from agentflow.errors import Invalid, NotFound


class RecordNotFound(NotFound):
    """There is no such record, or it belongs to another tenant."""

    code, title = "AUDIT_RECORD_NOT_FOUND", "Audit record not found"


class InvalidAnchor(Invalid):
    """What was sent is no anchor of this tenant's chain: its signature does not fit."""

    code, title = "INVALID_ANCHOR", "Invalid anchor"
