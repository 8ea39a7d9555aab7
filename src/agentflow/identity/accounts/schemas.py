"""What crosses the wire about accounts."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from agentflow.identity.permissions import Permission
from agentflow.identity.subject import CredentialKind, ResourceKind
from agentflow.identity.wire import NAME, UUID_EXAMPLE, Body, Email, Password, Username, Wire

Code = Annotated[str, Field(max_length=40, description="A code of the second factor, or a recovery code.", examples=["492039"])]
Token = Annotated[str, Field(min_length=1, max_length=200, description="The token of the link.", examples=["afp_2Jb9…"])]


class Account(Wire):
    """An account as its user sees it."""

    id: str = Field(description="UUIDv7 of the user.", examples=[UUID_EXAMPLE])
    username: str = Field(description="Name to sign in with.", examples=["ada"])
    display_name: str | None = Field(description="Name for people.", examples=["Ada Lovelace"])
    email: str | None = Field(description="Mail address.", examples=["ada@example.com"])
    email_verified: bool = Field(description="Whether it is known to be the user's.", examples=[True])
    is_guest: bool = Field(description="Whether the account has no password yet and ends some day.", examples=[False])
    second_factor: bool = Field(description="Whether signing in takes a code besides the password.", examples=[False])
    created_at: datetime = Field(description="When it was made.")


class Granted(Wire):
    """What the caller may do on a single thing besides."""

    kind: ResourceKind = Field(description="Kind of the thing.", examples=["workflow"])
    id: str = Field(description="Its id.", examples=[UUID_EXAMPLE])
    permissions: list[Permission] = Field(description="What the caller may do on it.", examples=[["workflows:execute"]])


class Me(Wire):
    """The caller as the server sees it."""

    tenant_id: str = Field(description="The organisation whose data the caller sees.", examples=[UUID_EXAMPLE])
    user_id: str = Field(description="The acting user.", examples=[UUID_EXAMPLE])
    username: str = Field(description="The user's name.", examples=["owner"])
    account: Account = Field(description="The user's account.")
    roles: list[str] = Field(description="The user's roles in the organisation.", examples=[["owner"]])
    teams: list[str] = Field(description="The user's teams in the organisation.", examples=[["research"]])
    permissions: list[Permission] = Field(
        description="What the caller may do now: the rights of the user, cut down to those of the key.", examples=[["workflows:read"]]
    )
    grants: list[Granted] = Field(description="What the caller may do on single things besides.")
    credential: CredentialKind = Field(description="What the request came with.", examples=["key"])
    credential_id: str = Field(description="Id of the key or session.", examples=[UUID_EXAMPLE])


class TokenPair(Wire):
    """What a device that has signed in holds."""

    access_token: str = Field(description="Send it as `Authorization: Bearer`.", examples=["eyJhbGciOiJFZERTQSJ9…"])
    refresh_token: str = Field(description="Is good for the next pair, once.", examples=["afr_Abc…"])
    token_type: Literal["bearer"] = Field(default="bearer", description="Always `bearer`.")
    expires_in: int = Field(description="Seconds for which the access token is good.", examples=[900])


class SignedIn(TokenPair):
    """A device that has just signed in."""

    user: Account = Field(description="Who is signed in.")
    tenant_id: str = Field(description="The organisation that the tokens are good for.", examples=[UUID_EXAMPLE])


class BrowserSignedIn(Wire):
    """A browser that has just signed in: its cookie is in the header."""

    user: Account = Field(description="Who is signed in.")
    tenant_id: str = Field(description="The organisation that the browser works in.", examples=[UUID_EXAMPLE])


class Register(Body):
    """What makes an account."""

    username: Username | None = Field(
        default=None, description="Name to sign in with; made from the mail address when null.", examples=["ada"]
    )
    email: Email
    password: Password
    display_name: str | None = Field(default=None, pattern=NAME, description="Name for people.", examples=["Ada Lovelace"])
    organisation: str | None = Field(
        default=None,
        pattern=NAME,
        description="Name of the organisation that is made for the account, where it is not invited into one.",
        examples=["Analytical Engines"],
    )
    invitation: str | None = Field(default=None, max_length=200, description="The token of an invitation.", examples=["afi_9Kd…"])


class Login(Body):
    """What signs somebody in."""

    username: str = Field(min_length=1, max_length=254, description="Name, or mail address.", examples=["ada"])
    password: Password
    code: Code | None = Field(default=None, description="A code of the second factor, where the account has one.", examples=["492039"])
    browser: bool = Field(default=False, description="Whether to set a cookie instead of answering with tokens.", examples=[False])


class Refresh(Body):
    """A refresh token."""

    refresh_token: str = Field(min_length=1, max_length=200, description="The newest refresh token.", examples=["afr_Abc…"])


class Logout(Body):
    """How to sign out."""

    everywhere: bool = Field(default=False, description="Every device of the user, not this one only.", examples=[False])


class AccountUpdate(Body):
    """What changes an account; fields that are left out stay."""

    display_name: str | None = Field(default=None, pattern=NAME, description="Name for people; null for none.", examples=["Ada Lovelace"])
    email: Email | None = Field(default=None, description="New mail address; needs the password.", examples=["ada@example.com"])
    password: Password | None = Field(default=None, description="The password, to change the mail address.", examples=["…"])


class PasswordChange(Body):
    """What changes a password."""

    current_password: Password | None = Field(
        default=None, description="The present password; null only where the account has none yet.", examples=["four words nobody guesses"]
    )
    new_password: Password = Field(description="The new one.", examples=["another four words here"])


class ForgotPassword(Body):
    """Whose password was forgotten."""

    email: Email


class PasswordReset(Body):
    """What sets a new password without the old one."""

    token: Token
    password: Password


class EmailProof(Body):
    """What shows that a mail address is the user's."""

    token: Token


class TenantChoice(Body):
    """The organisation to work in."""

    tenant_id: str = Field(max_length=64, description="One that the user is a member of.", examples=[UUID_EXAMPLE])


class AccessToken(Wire):
    """A new access token."""

    access_token: str = Field(description="Send it as `Authorization: Bearer`.", examples=["eyJhbGciOiJFZERTQSJ9…"])
    token_type: Literal["bearer"] = Field(default="bearer", description="Always `bearer`.")
    expires_in: int = Field(description="Seconds for which it is good.", examples=[900])
    tenant_id: str = Field(description="The organisation that it is good for.", examples=[UUID_EXAMPLE])


class Confirm(Body):
    """The password again, before something that matters."""

    password: Password


class FactorEnrolment(Wire):
    """What an authenticator app needs; shown this once."""

    secret: str = Field(description="In base32, to type.", examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(
        description="To show as a QR code.", examples=["otpauth://totp/AgentFlow:ada?secret=JBSWY3DPEHPK3PXP&issuer=AgentFlow"]
    )


class FactorConfirm(Body):
    """The first code of an authenticator app."""

    code: Code


class RecoveryCodes(Wire):
    """Codes for when the authenticator app is lost; each works once, and they are shown this once."""

    recovery_codes: list[str] = Field(description="Keep them where the password is not.", examples=[["7f3a09c1d2e4b5a697880f1e2d3c"]])
