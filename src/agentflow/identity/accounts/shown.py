"""Accounts as they are shown."""

from agentflow.identity.accounts.schemas import Account
from agentflow.identity.models import UserRow


def account_of(row: UserRow) -> Account:
    """Return an account for the wire."""
    return Account(
        id=row.id,
        username=row.username,
        display_name=row.display_name,
        email=row.email,
        email_verified=row.email_verified_at is not None,
        is_guest=row.kind == "guest",
        second_factor=row.totp_confirmed_at is not None,
        created_at=row.created_at,
    )
