"""What is kept where, and for how long."""

from pydantic import BaseModel, Field


class StorageSettings(BaseModel):
    """Large values, and when history is deleted."""

    spill_bytes: int = Field(
        default=262_144,
        ge=0,
        description="Inputs and outputs of nodes and runs over this size, in bytes of JSON, go to the object store; 0 keeps all in the database.",
    )
    max_inline_bytes: int = Field(
        default=10_000_000, ge=0, description="Bytes of such large values that one answer may hold; the rest it names with a link."
    )
    object_store_presign: bool = Field(
        default=False, description="Links to artifacts lead to the object store itself (S3, GCS, Azure) instead of through this server."
    )
    malware_scanner: str | None = Field(
        default=None,
        description="`tcp://host:3310` or `unix:///run/clamav/clamd.ctl`: a ClamAV daemon that looks at every file that is sent; without its "
        "verdict none is taken.",
    )
    retention_max_age_days: float = Field(default=30.0, ge=0, description="Days a run is kept after its end; 0 keeps all.")
    retention_max_runs: int = Field(default=0, ge=0, description="Ended runs kept of each workflow, the newest; 0 keeps all.")
    retention_artifact_days: float = Field(default=0.0, ge=0, description="Days an uploaded artifact is kept; 0 keeps all.")
    retention_checkpoint_s: float = Field(default=3_600.0, ge=0, description="Seconds the engine's checkpoints of an ended run are kept.")
    retention_interval_s: float = Field(default=300.0, ge=1, description="Seconds between two searches for what may be deleted.")
    retention_batch: int = Field(default=100, ge=1, le=5_000, description="Runs deleted in one transaction.")
