"""What can go wrong with stored sources."""

from agentflow.errors import Conflict, Invalid, NotFound


class SourceNotFound(NotFound):
    """There is no such source, or it belongs to another tenant."""

    code, title = "SOURCE_NOT_FOUND", "Source not found"


class SourceExists(Conflict):
    """A source of this name exists already."""

    code, title = "SOURCE_EXISTS", "Source exists"


class InvalidSource(Invalid):
    """The settings of the source cannot work; ``errors`` say where."""

    code, title = "INVALID_SOURCE", "Invalid source"
