"""What crosses the wire about sharing."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, model_validator

from agentflow.identity.wire import ROLE_NAME
from agentflow.workflows.definitions.schemas import EXAMPLE_SPEC, Body, Seen, Wire

_ID = "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"
LINK_EXAMPLE = "afw_example_of_a_token_example_of_a_token_exam"
_Role = Annotated[
    str,
    Field(
        pattern=ROLE_NAME,
        description="What it lets do: a role, such as `viewer`, `executor` or `developer`.",
        examples=["viewer"],
    ),
]
_Ends = Annotated[AwareDatetime, Field(strict=False)] | None


class Share(Wire):
    """What a member or team may do with a workflow."""

    id: str = Field(description="UUIDv7 of the share; it is a grant.", examples=[_ID])
    grantee_kind: Literal["user", "team"] = Field(description="Who has it.", examples=["user"])
    grantee_id: str = Field(description="Id of the member or team.", examples=[_ID])
    name: str | None = Field(description="Name of the member or team.", examples=["ada"])
    role: str = Field(description="Name of the role.", examples=["viewer"])
    link_id: str | None = Field(description="The link it was taken from; it ends with that.")
    created_by: str = Field(description="Id of the user who shared.", examples=[_ID])
    created_at: datetime = Field(description="When it was shared.")
    expires_at: datetime | None = Field(description="When it ends; null for never.")


class Link(Wire):
    """A link to a workflow. Its token is shown once."""

    id: str = Field(description="UUIDv7 of the link.", examples=[_ID])
    role: str = Field(description="What a member who takes it on may do; everybody may look.", examples=["viewer"])
    uses: int = Field(description="How often it was opened.", examples=[3])
    max_uses: int | None = Field(description="How often it opens; null for without end.", examples=[10])
    created_by: str = Field(description="Id of the user who made it; it ends with their membership.", examples=[_ID])
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it ends; null for never.")
    last_used_at: datetime | None = Field(description="When it was opened last; null for never.")


class NewLink(Link):
    """A link that was just made."""

    token: str = Field(description="Opens the workflow. It is shown once, and stored nowhere.", examples=[LINK_EXAMPLE])
    url: str = Field(
        description="Where it leads; begins with the setting `public_url`, when that is set.",
        examples=[f"/api/v1/shared/workflow?token={LINK_EXAMPLE}"],
    )


class Sharing(Wire):
    """Who sees a workflow."""

    workflow_id: str = Field(description="The workflow.", examples=[_ID])
    visibility: Seen = Field(description="How far it can be seen.", examples=["organisation"])
    owner_id: str = Field(description="Its owner, who always sees it.", examples=[_ID])
    public_url: str | None = Field(description="Where everybody sees it; null unless it is public.")
    shares: list[Share] = Field(description="Members and teams that it is shared with.")
    links: list[Link] = Field(description="Links that open it, newest first.")


class VisibilityUpdate(Body):
    """How far a workflow is to be seen."""

    visibility: Seen = Field(description="`private` revokes all links too.", examples=["private"])


class ShareCreate(Body):
    """Whom to share a workflow with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user": "owner", "role": "viewer", "expires_at": None}]})

    user: str | None = Field(default=None, min_length=1, max_length=200, description="A member, by name or id.", examples=["owner"])
    team: str | None = Field(default=None, min_length=1, max_length=200, description="A team, by name or id.")
    role: _Role
    expires_at: _Ends = Field(default=None, description="When it ends; null for never.", examples=["2030-01-01T00:00:00Z"])

    @model_validator(mode="after")
    def _one(self) -> "ShareCreate":
        if (self.user is None) == (self.team is None):
            raise ValueError("name a user or a team")
        return self


class LinkCreate(Body):
    """What makes a link."""

    role: _Role = "viewer"
    expires_at: _Ends = Field(default=None, description="When it ends; null for never.", examples=["2030-01-01T00:00:00Z"])
    max_uses: int | None = Field(default=None, ge=1, le=1_000_000, description="How often it opens; null for without end.", examples=[10])


class LinkAccept(Body):
    """A link to take on."""

    token: str = Field(min_length=1, max_length=200, description="The token of the link.", examples=[LINK_EXAMPLE])


class SharedWorkflow(Wire):
    """A workflow as others see it: without secrets, and without anything of its organisation."""

    id: str = Field(description="UUIDv7 of the workflow.", examples=[_ID])
    name: str = Field(description="Its name.", examples=["hello"])
    description: str | None = Field(description="What it does.", examples=["Says hello."])
    tags: list[str] = Field(description="Labels.", examples=[["demo"]])
    version: int = Field(description="Number of its current version.", examples=[1])
    spec: dict[str, Any] = Field(description="The specification; names stand where secrets were.", examples=[EXAMPLE_SPEC])
    uses: dict[str, list[str]] = Field(
        description="What it would use if it ran: hosts, secrets, variables, sources, collections, workflows, plugins and effects.",
        examples=[{"hosts": ["api.example.com"], "secrets": ["SHOP_TOKEN"]}],
    )
    updated_at: datetime = Field(description="When it was last changed.")


class PublicWorkflow(Wire):
    """A public workflow in the list of them."""

    id: str = Field(description="UUIDv7 of the workflow.", examples=[_ID])
    name: str = Field(description="Its name.", examples=["hello"])
    description: str | None = Field(description="What it does.", examples=["Says hello."])
    tags: list[str] = Field(description="Labels.", examples=[["demo"]])
    version: int = Field(description="Number of its current version.", examples=[1])
    updated_at: datetime = Field(description="When it was last changed.")
