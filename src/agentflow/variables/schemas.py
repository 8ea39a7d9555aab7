"""What of variables crosses the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agentflow.kit import json

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,62}$"
LARGEST = 100_000
"""Bytes of a value in JSON at most: every run that reads it keeps a copy."""


def _bounded(value: Any) -> Any:
    size = len(json.dump_bytes(value))
    if size > LARGEST:
        raise ValueError(f"the value has {size} bytes of JSON; {LARGEST} are allowed")
    return value


Name = Annotated[str, Field(pattern=NAME_PATTERN, description="Name, as in `vars.NAME`.", examples=["greeting"])]
Value = Annotated[Any, AfterValidator(_bounded), Field(description="Any JSON value.", examples=["Good morning"])]
Description = Annotated[str | None, Field(max_length=1_000, description="What it is for.", examples=["First line of every letter"])]


class VariableCreate(BaseModel):
    """A new variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    value: Value
    description: Description = None


class VariableReplace(BaseModel):
    """Another value for a variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Value
    description: Description = Field(default=None, description="What it is for; left as it is without it.")


class Variable(BaseModel):
    """A variable."""

    id: str = Field(description="Id of the variable.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    name: str = Field(description="Its name.", examples=["greeting"])
    description: str | None = Field(description="What it is for.", examples=["First line of every letter"])
    value: Any = Field(description="Its value.", examples=["Good morning"])
    version: int = Field(description="How often it was given a value.", examples=[1])
    created_at: datetime = Field(description="When it was stored.", examples=["2026-11-02T09:30:00Z"])
    updated_at: datetime = Field(description="When it was last given a value.", examples=["2026-11-02T09:30:00Z"])
