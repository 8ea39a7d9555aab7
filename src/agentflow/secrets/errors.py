"""What can go wrong with secrets."""

from agentflow.errors import Conflict, Forbidden, NotFound


class SecretNotFound(NotFound):
    """There is no such secret, or it belongs to another tenant."""

    code, title = "SECRET_NOT_FOUND", "Secret not found"


class SecretExists(Conflict):
    """A secret of this name exists already."""

    code, title = "SECRET_EXISTS", "Secret exists"


class NotTheInstallation(Forbidden):
    """The request concerns the whole installation, which only the tenant of its owner may change."""

    code, title = "NOT_THE_INSTALLATION", "Reserved to the installation's owner"
