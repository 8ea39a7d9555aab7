"""What crosses the wire about organisations."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from agentflow.identity.subject import ResourceKind
from agentflow.identity.wire import NAME, ROLE_NAME, UUID_EXAMPLE, Body, Email, Roles, Wire

_TenantName = Annotated[str, Field(pattern=NAME, description="Its name, unique in the installation.", examples=["Analytical Engines"])]
_TeamName = Annotated[str, Field(pattern=NAME, description="Its name, unique in the organisation.", examples=["research"])]
_Description = Annotated[str | None, Field(max_length=1_000, description="What it is for.", examples=["Who reads the papers."])]


class Quotas(Body):
    """What an organisation may use; null for the installation's own limit."""

    runs_per_day: int | None = Field(default=None, ge=0, description="Runs that may be started in 24 hours.", examples=[10_000])
    max_queued_runs: int | None = Field(default=None, ge=0, description="Runs that may wait for a worker.", examples=[1_000])
    max_running_runs: int | None = Field(
        default=None, ge=1, le=2**31 - 1, description="Runs that are driven at a time; more wait in the queue.", examples=[50]
    )
    requests_per_minute: int | None = Field(default=None, ge=1, description="Requests of all members in a minute.", examples=[6_000])
    storage_bytes: int | None = Field(default=None, ge=0, description="Bytes of artifacts.", examples=[10_000_000_000])
    tokens_per_day: int | None = Field(
        default=None, ge=0, le=2**53, description="Tokens of models that runs may use a day, in UTC.", examples=[1_000_000]
    )
    tokens_per_month: int | None = Field(
        default=None, ge=0, le=2**53, description="Tokens of models that runs may use a month, in UTC.", examples=[20_000_000]
    )


class Tenant(Wire):
    """An organisation."""

    id: str = Field(description="UUIDv7 of the organisation.", examples=[UUID_EXAMPLE])
    name: _TenantName
    is_current: bool = Field(description="Whether the caller works in it now.", examples=[True])
    roles: list[str] = Field(description="The caller's roles in it.", examples=[["owner"]])
    quotas: Quotas = Field(description="What it may use.")
    second_factor_required: bool = Field(
        description="Whether members who signed in without a second factor may do nothing in it but set one up.", examples=[False]
    )
    created_at: datetime = Field(description="When it was made.")


class TenantCreate(Body):
    """What makes an organisation."""

    name: _TenantName


class TenantUpdate(Body):
    """What changes an organisation; fields that are left out stay."""

    name: _TenantName | None = None
    quotas: Quotas | None = Field(default=None, description="What it may use; needs `tenants:manage`.")
    second_factor_required: bool | None = Field(
        default=None, description="Whether a second factor is demanded of members who sign in.", examples=[True]
    )


class Member(Wire):
    """A member of an organisation."""

    user_id: str = Field(description="UUIDv7 of the user.", examples=[UUID_EXAMPLE])
    username: str = Field(description="The user's name.", examples=["ada"])
    display_name: str | None = Field(description="Name for people.", examples=["Ada Lovelace"])
    email: str | None = Field(description="Mail address.", examples=["ada@example.com"])
    kind: Literal["person", "guest", "service"] = Field(description="What the user is.", examples=["person"])
    roles: Roles
    is_disabled: bool = Field(description="Whether the account is shut.", examples=[False])
    joined_at: datetime = Field(description="When the user became a member.")


class MemberUpdate(Body):
    """The roles of a member from now on."""

    roles: Roles


class Invitation(Wire):
    """An invitation, without its token."""

    id: str = Field(description="UUIDv7 of the invitation.", examples=[UUID_EXAMPLE])
    email: Email
    roles: Roles
    invited_by: str = Field(description="Id of the user who invited.", examples=[UUID_EXAMPLE])
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime = Field(description="Until when it can be accepted.")


class NewInvitation(Invitation):
    """An invitation with its token, which is shown this once, and sent to the mail address."""

    token: str = Field(description="Whoever has this mail address accepts with it.", examples=["afi_9Kd…"])


class InvitationCreate(Body):
    """Whom to invite."""

    email: Email
    roles: Roles


class InvitationAccept(Body):
    """What accepts an invitation."""

    token: str = Field(min_length=1, max_length=200, description="The token of the invitation.", examples=["afi_9Kd…"])


class InvitationList(Wire):
    """The invitations that can be accepted."""

    items: list[Invitation] = Field(description="The newest first.")


class Team(Wire):
    """A team."""

    id: str = Field(description="UUIDv7 of the team.", examples=[UUID_EXAMPLE])
    name: _TeamName
    description: _Description
    members: list[str] = Field(description="Ids of its members.", examples=[[UUID_EXAMPLE]])
    created_at: datetime = Field(description="When it was made.")


class TeamWrite(Body):
    """What a team is."""

    name: _TeamName
    description: _Description = None


class TeamList(Wire):
    """Every team of an organisation."""

    items: list[Team] = Field(description="By name.")


class Grant(Wire):
    """What a role allows, for one user or team, on a single thing."""

    id: str = Field(description="UUIDv7 of the grant.", examples=[UUID_EXAMPLE])
    grantee_kind: Literal["user", "team"] = Field(description="Who has it.", examples=["user"])
    grantee_id: str = Field(description="Id of the user or team.", examples=[UUID_EXAMPLE])
    resource_kind: ResourceKind = Field(description="What it is about.", examples=["workflow"])
    resource_id: str = Field(description="Id of the thing.", examples=[UUID_EXAMPLE])
    role: str = Field(description="Name of the role.", examples=["executor"])
    created_by: str = Field(description="Id of the user who granted it.", examples=[UUID_EXAMPLE])
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it ends; null for never.")


class GrantCreate(Body):
    """What makes a grant."""

    grantee_kind: Literal["user", "team"] = Field(description="Who gets it.", examples=["user"])
    grantee_id: str = Field(max_length=64, description="Id of a member or team.", examples=[UUID_EXAMPLE])
    resource_kind: Annotated[ResourceKind, Field(strict=False)] = Field(description="What it is about.", examples=["workflow"])
    resource_id: str = Field(max_length=64, description="Id of the thing.", examples=[UUID_EXAMPLE])
    role: str = Field(pattern=ROLE_NAME, description="Name of the role.", examples=["executor"])
    expires_at: Annotated[AwareDatetime, Field(strict=False)] | None = Field(
        default=None, description="When it ends; null for never.", examples=["2030-01-01T00:00:00Z"]
    )
