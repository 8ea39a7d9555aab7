"""What can go wrong with roles."""

from agentflow.errors import Conflict, Forbidden, Invalid, NotFound


class RoleNotFound(NotFound):
    """The organisation has no role of this name."""

    code, title = "ROLE_NOT_FOUND", "Role not found"


class UnknownRole(Invalid):
    """Something names a role that the organisation does not have."""

    code, title = "UNKNOWN_ROLE", "Unknown role"


class RoleExists(Conflict):
    """There is a role of this name."""

    code, title = "ROLE_EXISTS", "Role exists"


class RoleBuiltIn(Conflict):
    """The role came with the program, and cannot be changed or deleted."""

    code, title = "ROLE_BUILT_IN", "Role built in"


class RoleInUse(Conflict):
    """Somebody holds the role."""

    code, title = "ROLE_IN_USE", "Role in use"


class BeyondOwnRights(Forbidden):
    """Nobody can give, or take from somebody, what they do not have themselves."""

    code, title = "BEYOND_OWN_RIGHTS", "Beyond one's own rights"
