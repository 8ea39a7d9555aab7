"""What can go wrong with organisations."""

from agentflow.errors import Conflict, Forbidden, Invalid, NotFound


class TenantNotFound(NotFound):
    """There is no such organisation, or the caller does not work in it now."""

    code, title = "TENANT_NOT_FOUND", "Organisation not found"


class TenantExists(Conflict):
    """An organisation of this name exists; names are unique in an installation."""

    code, title = "TENANT_EXISTS", "Organisation exists"


class TenantNotEmpty(Conflict):
    """The organisation runs the installation, and cannot be deleted."""

    code, title = "TENANT_RUNS_INSTALLATION", "Organisation runs the installation"


class MemberNotFound(NotFound):
    """The organisation has no such member."""

    code, title = "MEMBER_NOT_FOUND", "Member not found"


class MemberExists(Conflict):
    """The user is a member already."""

    code, title = "MEMBER_EXISTS", "Member exists"


class LastOwner(Conflict):
    """An organisation has one owner at least, who can sign in."""

    code, title = "LAST_OWNER", "Last owner"


class OwnRoles(Forbidden):
    """Nobody changes their own roles."""

    code, title = "OWN_ROLES", "One's own roles"


class InvitationNotFound(NotFound):
    """The organisation has no such invitation that can still be accepted."""

    code, title = "INVITATION_NOT_FOUND", "Invitation not found"


class InvitationNotGood(Invalid):
    """The token of an invitation is unknown, was used or revoked, or is too old."""

    code, title = "INVITATION_NOT_GOOD", "Invitation not good"


class InvitationForAnother(Forbidden):
    """The invitation is for another mail address."""

    code, title = "INVITATION_FOR_ANOTHER", "Invitation for somebody else"


class TeamNotFound(NotFound):
    """The organisation has no such team."""

    code, title = "TEAM_NOT_FOUND", "Team not found"


class TeamExists(Conflict):
    """There is a team of this name."""

    code, title = "TEAM_EXISTS", "Team exists"


class GrantNotFound(NotFound):
    """The organisation has no such grant."""

    code, title = "GRANT_NOT_FOUND", "Grant not found"


class GrantExists(Conflict):
    """The user or team has a grant on this thing already."""

    code, title = "GRANT_EXISTS", "Grant exists"


class ResourceNotFound(NotFound):
    """There is no such workflow, source or collection in the organisation."""

    code, title = "RESOURCE_NOT_FOUND", "Resource not found"
