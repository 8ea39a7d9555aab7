"""What the schemas of identity have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Wire(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Body(Wire):
    """Base of JSON bodies: unknown fields are errors, values must have their type, nothing is converted."""

    model_config = ConfigDict(strict=True)


UUID_EXAMPLE = "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"
USERNAME = r"^[a-z0-9][a-z0-9._-]{1,63}$"
NAME = r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,98}[^\s\x00-\x1f\x7f])?$"
"""A name for people: no control characters, no space at either end."""
ROLE_NAME = r"^[a-z][a-z0-9_-]{0,63}$"

Username = Annotated[
    str, Field(pattern=USERNAME, description="Name to sign in with: 2 to 64 of a-z, 0-9, `.`, `_`, `-`.", examples=["ada"])
]
Roles = Annotated[list[str], Field(max_length=20, description="Names of roles.", examples=[["developer"]])]
Email = Annotated[str, Field(max_length=254, description="Mail address.", examples=["ada@example.com"])]
Password = Annotated[str, Field(max_length=256, description="Password.", examples=["four words nobody guesses"])]
