"""What can go wrong with accounts of others."""

from agentflow.errors import Forbidden, NotFound


class UserNotFound(NotFound):
    """The organisation administers no such account."""

    code, title = "USER_NOT_FOUND", "User not found"


class MemberElsewhere(Forbidden):
    """The user is a member of other organisations too, where this would let the caller in."""

    code, title = "MEMBER_ELSEWHERE", "Member of other organisations"


class OwnAccount(Forbidden):
    """Nobody shuts or deletes their own account here."""

    code, title = "OWN_ACCOUNT", "One's own account"
