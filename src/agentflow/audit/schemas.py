"""What of the audit log crosses the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agentflow.infra.audit.chain import Anchor

HEX_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
HEX_SIGNATURE = HEX_HASH * 2


class AuditRecord(BaseModel):
    """One record: who did what, to what, when, from where."""

    id: str = Field(description="Id of the record.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    seq: int | None = Field(description="Its number in the tenant's chain; null for the moment until it is sealed.", examples=[42])
    tenant_id: str = Field(description="The tenant whose log it is.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3b"])
    at: datetime = Field(description="When it was done.", examples=["2026-11-02T09:30:00Z"])
    actor_id: str | None = Field(description="The user who did it; null where nobody was known.", examples=[None])
    actor: str = Field(description="The user's name then; may be empty.", examples=["owner"])
    action: str = Field(description="What was done, as `resource.verb`.", examples=["secret.created"])
    outcome: Literal["done", "denied"] = Field(description="`denied` where it was refused.", examples=["done"])
    resource: str = Field(description="What sort of thing it was done to.", examples=["secret"])
    resource_id: str | None = Field(description="Which one.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3c"])
    request_id: str | None = Field(description="The request it was done by.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3d"])
    address: str | None = Field(description="Where the request came from.", examples=["127.0.0.1"])
    details: dict[str, Any] = Field(
        description="Facts about it; never a secret, an input or a document.", examples=[{"name": "SHOP_PASSWORD"}]
    )
    hash: str | None = Field(description="Its link in the chain, in hex; null until it is sealed.", examples=[HEX_HASH])


class AuditAnchor(BaseModel):
    """What a chain was at some moment, signed; kept elsewhere, it shows later that nothing was altered or cut off."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    tenant_id: str = Field(description="Whose chain it is.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3b"])
    seq: int = Field(ge=1, le=2**62, description="Number of the last record then.", examples=[42])
    hash: str = Field(pattern="^[0-9a-f]{64}$", description="Link of that record, in hex.", examples=[HEX_HASH])
    at: AwareDatetime = Field(description="When.", examples=["2026-11-02T09:30:00Z"])
    signature: str = Field(pattern="^[0-9a-f]{128}$", description="Ed25519 signature of all that, in hex.", examples=[HEX_SIGNATURE])

    @classmethod
    def of(cls, anchor: Anchor) -> "AuditAnchor":
        """Return an anchor as it crosses the wire."""
        return cls(tenant_id=anchor.tenant_id, seq=anchor.seq, hash=anchor.hash.hex(), at=anchor.at, signature=anchor.signature.hex())

    def plain(self) -> Anchor:
        """Return the anchor itself."""
        return Anchor(self.tenant_id, self.seq, bytes.fromhex(self.hash), self.at, bytes.fromhex(self.signature))


class Verify(BaseModel):
    """What the log is to be held against."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anchors: Annotated[list[AuditAnchor], Field(max_length=10_000)] = Field(
        default_factory=list, description="Anchors that were kept elsewhere; those that the server has are used in any case."
    )


class AuditFault(BaseModel):
    """The first place at which the log is not as it was."""

    seq: int | None = Field(description="Number of the record; null of one that is not in the chain.", examples=[17])
    record_id: str | None = Field(description="Its id, where it is there.", examples=[None])
    reason: str = Field(description="What is wrong.", examples=["Record 17 is missing."])


class Verification(BaseModel):
    """What verifying the log came to."""

    intact: bool = Field(description="Whether the log is as it was written.", examples=[True])
    records: int = Field(description="Records that were found to be in order.", examples=[42])
    anchors: int = Field(description="Signed anchors that the chain was held against.", examples=[3])
    fault: AuditFault | None = Field(default=None, description="The first thing that is wrong; null where nothing is.", examples=[None])
    head: AuditAnchor | None = Field(
        default=None, description="The end of the chain, signed just now: keep it elsewhere; null of an empty log.", examples=[None]
    )
    floor: AuditAnchor | None = Field(
        default=None,
        description="The last record that was deleted because it was old: the log begins behind it; null where none was.",
        examples=[None],
    )
    public_key: str = Field(description="Key that anchors are checked with: Ed25519, in hex.", examples=[HEX_HASH])
