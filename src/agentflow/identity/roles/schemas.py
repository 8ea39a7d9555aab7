"""What crosses the wire about roles."""

from typing import Annotated

from pydantic import Field

from agentflow.identity.permissions import Permission
from agentflow.identity.wire import ROLE_NAME, Body, Wire

_Permissions = Annotated[
    list[Annotated[Permission, Field(strict=False)]],
    Field(max_length=200, description="What it allows.", examples=[["workflows:read", "workflows:execute"]]),
]
_Description = Annotated[str | None, Field(max_length=1_000, description="What it is for.", examples=["Starts what support needs."])]


class Role(Wire):
    """A role."""

    name: str = Field(description="Its name.", examples=["support"])
    description: _Description
    permissions: _Permissions
    is_built_in: bool = Field(description="Whether it came with the program; it cannot be changed then.", examples=[False])


class RoleList(Wire):
    """Every role of an organisation."""

    items: list[Role] = Field(description="Those built in first, then its own by name.")


class RoleCreate(Body):
    """What makes a role."""

    name: str = Field(pattern=ROLE_NAME, description="Its name: small letters, digits, `-` and `_`.", examples=["support"])
    description: _Description = None
    permissions: _Permissions


class RoleUpdate(Body):
    """What a role is from now on."""

    description: _Description = None
    permissions: _Permissions
