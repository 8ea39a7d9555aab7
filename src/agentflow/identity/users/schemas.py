"""What crosses the wire about the accounts that an organisation administers."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from agentflow.identity.wire import NAME, UUID_EXAMPLE, Body, Email, Password, Roles, Username, Wire


class User(Wire):
    """An account."""

    id: str = Field(description="UUIDv7 of the user.", examples=[UUID_EXAMPLE])
    username: str = Field(description="Name to sign in with.", examples=["ada"])
    display_name: str | None = Field(description="Name for people.", examples=["Ada Lovelace"])
    email: str | None = Field(description="Mail address.", examples=["ada@example.com"])
    kind: Literal["person", "guest", "service"] = Field(description="A service account has no password, only keys.", examples=["person"])
    roles: list[str] = Field(description="Its roles in this organisation; empty for one that is no member.", examples=[["developer"]])
    second_factor: bool = Field(description="Whether signing in takes a code.", examples=[False])
    is_disabled: bool = Field(description="Whether it is shut.", examples=[False])
    created_at: datetime = Field(description="When it was made.")


class UserCreate(Body):
    """What makes an account."""

    username: Username
    kind: Literal["person", "service"] = Field(
        default="person", description="A service account has no password, only keys.", examples=["person"]
    )
    email: Email | None = Field(default=None, description="Mail address; needed to reset the password.", examples=["ada@example.com"])
    display_name: str | None = Field(default=None, pattern=NAME, description="Name for people.", examples=["Ada Lovelace"])
    password: Password | None = Field(default=None, description="First password; without it the user sets one by mail.", examples=["…"])
    roles: Roles


class UserUpdate(Body):
    """What changes an account; fields that are left out stay."""

    display_name: str | None = Field(default=None, pattern=NAME, description="Name for people; null for none.", examples=["Ada Lovelace"])
    password: Password | None = Field(default=None, description="A new password; ends every session.", examples=["…"])
    is_disabled: bool | None = Field(
        default=None, description="Whether the account is shut: no key or session of it works then.", examples=[True]
    )
    second_factor: Literal[False] | None = Field(default=None, description="`false` takes the second factor away.", examples=[False])
