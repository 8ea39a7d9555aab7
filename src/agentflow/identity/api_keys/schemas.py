"""What crosses the wire about API keys."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from agentflow.identity.permissions import Permission
from agentflow.identity.wire import NAME, UUID_EXAMPLE, Body, Wire

_Scopes = Annotated[
    list[Permission] | None,
    Field(description="What it may do at most; null for all that its user may.", examples=[["workflows:execute", "runs:read"]]),
]


class ApiKey(Wire):
    """An API key, without its secret."""

    id: str = Field(description="UUIDv7 of the key.", examples=[UUID_EXAMPLE])
    name: str = Field(description="What it is for.", examples=["deploy"])
    prefix: str = Field(description="How its secret begins.", examples=["afk_3vX9aQ1"])
    user_id: str = Field(description="Whom it stands for.", examples=[UUID_EXAMPLE])
    username: str = Field(description="That user's name.", examples=["ada"])
    scopes: _Scopes
    created_at: datetime = Field(description="When it was made.")
    rotated_at: datetime = Field(description="When its secret was made.")
    rotation_days: int | None = Field(description="Days after which it is to be rotated; null for never.", examples=[90])
    rotate_by: datetime | None = Field(description="When it stops to work if it is not rotated; null for never.")
    expires_at: datetime | None = Field(description="When it stops to work for good; null for never.")
    previous_until: datetime | None = Field(description="Until when the secret before also works; null when there is none.")
    last_used_at: datetime | None = Field(description="When it was used last, within a minute; null for never.")
    revoked_at: datetime | None = Field(description="When it was revoked; null while it works.")


class NewApiKey(ApiKey):
    """An API key with its secret, which is shown this once."""

    secret: str = Field(description="Send it as `X-API-Key`.", examples=["afk_3vX9aQ1Zk2yN0pR8sT5uW7bC4dE6fG1hI3jK5lM7nO"])


class ApiKeyCreate(Body):
    """What makes an API key."""

    name: str = Field(pattern=NAME, description="What it is for.", examples=["deploy"])
    scopes: list[Annotated[Permission, Field(strict=False)]] | None = Field(
        default=None,
        max_length=200,
        description="What it may do at most, none of it beyond what the caller may; null for all that its user may.",
        examples=[["workflows:execute", "runs:read"]],
    )
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="When it stops to work; null for never.", examples=["2030-01-01T00:00:00Z"]
    )
    rotation_days: int | None = Field(
        default=None,
        ge=0,
        le=3_650,
        description="Days after which it is to be rotated; 0 for never, null for the server's default.",
        examples=[90],
    )
    user_id: str | None = Field(
        default=None, max_length=64, description="A service account that it is for; null for oneself.", examples=[UUID_EXAMPLE]
    )


class ApiKeyRotate(Body):
    """How an API key is rotated."""

    grace_days: float | None = Field(
        default=None, ge=0, le=90, description="Days for which the old secret works on; null for the server's default.", examples=[7]
    )
