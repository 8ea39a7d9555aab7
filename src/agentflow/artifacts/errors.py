"""What can go wrong with artifacts."""

from agentflow.errors import AgentFlowError, Conflict, Forbidden, Kind, NotFound


class ArtifactNotFound(NotFound):
    """There is no such artifact, or it belongs to another tenant."""

    code, title = "ARTIFACT_NOT_FOUND", "Artifact not found"


class ArtifactOfRun(Conflict):
    """The artifact is a value of a run and lives as long as that."""

    code, title = "ARTIFACT_OF_RUN", "Artifact belongs to a run"


class LinkNotValid(Forbidden):
    """The signature of a download link does not fit."""

    code, title = "LINK_NOT_VALID", "Link not valid"


class LinkExpired(AgentFlowError):
    """The time of a download link is over."""

    kind, code, title = Kind.GONE, "LINK_EXPIRED", "Link expired"


def not_found(artifact_id: str) -> ArtifactNotFound:
    """Return the error for an artifact that is not there, or that the caller does not see."""
    return ArtifactNotFound(f"There is no artifact {artifact_id[:64]}.", hint="GET /api/v1/artifacts lists them.")
