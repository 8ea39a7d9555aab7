"""What can go wrong with artifacts."""

from agentflow.errors import Conflict, NotFound


class ArtifactNotFound(NotFound):
    """There is no such artifact, or it belongs to another tenant."""

    code, title = "ARTIFACT_NOT_FOUND", "Artifact not found"


class ArtifactOfRun(Conflict):
    """The artifact is a value of a run and lives as long as that."""

    code, title = "ARTIFACT_OF_RUN", "Artifact belongs to a run"
