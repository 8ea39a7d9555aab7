"""What crosses the wire about artifacts."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Artifact(BaseModel):
    """A file in the object store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Id of the artifact.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    name: str = Field(description="Name of the file.", examples=["report.pdf"])
    content_type: str = Field(description="Media type, as the sender declared it.", examples=["application/pdf"])
    size: int = Field(description="Bytes.", examples=[48_213])
    sha256: str = Field(
        description="SHA-256 of the content.", examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
    )
    run_id: str | None = Field(default=None, description="The run whose value it is; null for a file that was sent.")
    created_at: datetime = Field(description="When it was stored.")
    expires_at: datetime | None = Field(default=None, description="When it will be deleted; null for never.")
    href: str = Field(description="Where its content is.", examples=["/api/v1/artifacts/019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a/content"])


class LinkCreate(BaseModel):
    """How long a link shall work."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    expires_in_s: int = Field(default=3_600, ge=1, le=604_800, description="Seconds until the link ends; at most a week.", examples=[3_600])


class ArtifactLink(BaseModel):
    """A link that needs no credential."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        description="Where the content can be downloaded: a path of this server, or a whole URL where the object store answers itself.",
        examples=["/api/v1/artifacts/019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a/download?token=AZqfPo1cfEGdLg1fbxwrOgAAAABpIE4A"],
    )
    expires_at: datetime = Field(description="When it ends.")
