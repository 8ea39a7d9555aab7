"""What of stored sources crosses the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from agentflow.spec.model import ID_PATTERN, SourceKind

Name = Annotated[str, Field(pattern=ID_PATTERN, description="Name that nodes give as `source`.", examples=["shop"])]
Description = Annotated[str | None, Field(max_length=1_000, description="What it is for.", examples=["The shop's database"])]
_EXAMPLE = {
    "driver": "postgresql",
    "host": "db.example.com",
    "database": "shop",
    "user": "reader",
    "password": "{{ secrets.SHOP_PASSWORD }}",  # nosec B105 - names a secret
}
_CONFIG = "Settings of the connection, as in a specification; secrets only as `{{ secrets.NAME }}`."


class SourceCreate(BaseModel):
    """A new source."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Name
    kind: SourceKind = Field(description="What sort of system it is.", examples=["db"])
    config: dict[str, Any] = Field(default_factory=dict, description=_CONFIG, examples=[_EXAMPLE])
    description: Description = None


class SourceReplace(BaseModel):
    """Other settings for a source; its name and kind stay."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    config: dict[str, Any] = Field(description=_CONFIG, examples=[_EXAMPLE])
    kind: SourceKind | None = Field(default=None, description="Its kind, as a check: another one is refused.", examples=["db"])
    description: Description = Field(default=None, description="What it is for; left as it is without it.")


class StoredSource(BaseModel):
    """A stored source."""

    id: str = Field(description="Id of the source.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    name: str = Field(description="Its name.", examples=["shop"])
    description: str | None = Field(description="What it is for.", examples=["The shop's database"])
    kind: SourceKind = Field(description="What sort of system it is.", examples=["db"])
    config: dict[str, Any] = Field(description=_CONFIG, examples=[_EXAMPLE])
    version: int = Field(description="How often it was given settings.", examples=[1])
    created_at: datetime = Field(description="When it was stored.", examples=["2026-11-02T09:30:00Z"])
    updated_at: datetime = Field(description="When it was last changed.", examples=["2026-11-02T09:30:00Z"])


class SourceTest(BaseModel):
    """What became of trying a source."""

    ok: bool = Field(description="Whether it answered as it should.", examples=[True])
    elapsed_ms: float = Field(description="Milliseconds it took.", examples=[12.5])
    code: str | None = Field(default=None, description="What went wrong, for programs; null where nothing did.", examples=["DB_CONNECT"])
    message: str = Field(description="What was found, for people.", examples=["It answers."])
    hint: str | None = Field(default=None, description="The way out, or null.", examples=["Check host, port and password."])
