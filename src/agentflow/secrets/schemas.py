"""What of secrets crosses the wire: everything but their values, which only come in."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,62}$"
SHORTEST = 4
"""Characters of a secret at least: a shorter text stands in too many places to be kept out of them."""
LONGEST = 65_536

Name = Annotated[str, Field(pattern=NAME_PATTERN, description="Name, as in `{{ secrets.NAME }}`.", examples=["SHOP_PASSWORD"])]
Value = Annotated[
    SecretStr, Field(min_length=SHORTEST, max_length=LONGEST, description="The secret itself; it is never returned.", examples=["a secret"])
]
Description = Annotated[str | None, Field(max_length=1_000, description="What it is for.", examples=["Reader of the shop's database"])]


class SecretCreate(BaseModel):
    """A new secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name
    value: Value
    description: Description = None


class SecretReplace(BaseModel):
    """Another value for a secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    value: Value
    description: Description = Field(default=None, description="What it is for; left as it is without it.")


class Secret(BaseModel):
    """A secret without its value."""

    id: str = Field(description="Id of the secret.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    name: str = Field(description="Its name.", examples=["SHOP_PASSWORD"])
    description: str | None = Field(description="What it is for.", examples=["Reader of the shop's database"])
    version: int = Field(description="How often it was given a value.", examples=[1])
    created_by: str = Field(description="The user who stored it.", examples=["019a9f3e-8d5d-7f10-8a61-5c8e2f0b7d11"])
    created_at: datetime = Field(description="When it was stored.", examples=["2026-11-02T09:30:00Z"])
    updated_at: datetime = Field(description="When it was last given a value.", examples=["2026-11-02T09:30:00Z"])
    last_used_at: datetime | None = Field(
        description="When a source was last filled in with it, to a minute.", examples=["2026-11-02T09:31:00Z"]
    )


class Rotation(BaseModel):
    """A change of the master key."""

    master_key: str = Field(description="Name of the master key in force; it tells nothing about the key.", examples=["9f86d081884c7d65"])
