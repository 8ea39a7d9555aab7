"""What can go wrong with keys."""

from agentflow.errors import AgentFlowError, Conflict, Kind


class MasterKeyMissing(AgentFlowError):
    """The data are sealed with a master key that this process does not have; nothing was changed."""

    kind, code, title = Kind.UNAVAILABLE, "MASTER_KEY_MISSING", "Master key missing"


class MasterKeyUnreadable(AgentFlowError):
    """The master key that was given cannot be read."""

    kind, code, title = Kind.UNAVAILABLE, "MASTER_KEY_UNREADABLE", "Master key unreadable"


class NoNewMasterKey(Conflict):
    """There is no new master key to change to."""

    code, title = "NO_NEW_MASTER_KEY", "No new master key"


class RotationUnderWay(Conflict):
    """Another process is changing the master key at this moment."""

    code, title = "ROTATION_UNDER_WAY", "Rotation under way"
