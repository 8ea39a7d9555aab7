"""Tables of identity: organisations and who belongs to them, accounts, sessions, and keys."""

from agentflow.identity.models.accounts import AttemptRow, OneTimeTokenRow, SessionRow, SigningKeyRow, UserRow
from agentflow.identity.models.keys import ApiKeyRow, CredentialRow
from agentflow.identity.models.tenants import GrantRow, InvitationRow, MembershipRow, RoleRow, TeamMemberRow, TeamRow, TenantRow

__all__ = [
    "ApiKeyRow",
    "AttemptRow",
    "CredentialRow",
    "GrantRow",
    "InvitationRow",
    "MembershipRow",
    "OneTimeTokenRow",
    "RoleRow",
    "SessionRow",
    "SigningKeyRow",
    "TeamMemberRow",
    "TeamRow",
    "TenantRow",
    "UserRow",
]
