"""Master keys, and the audit log."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, field_validator
from pydantic_settings import NoDecode


class SecretSettings(BaseModel):
    """What seals secrets, and how the audit log is sealed."""

    master_key: SecretStr | None = Field(
        default=None, description="Master key that secrets are sealed under: 32 random bytes in base64; without it the file."
    )
    master_keys_previous: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="Earlier values of `master_key`, comma-separated, that data may still be sealed under."
    )
    master_key_file: Path | None = Field(
        default=None, description="File of master keys; without it `master.key` in the data folder, made at the first start."
    )
    audit_seal_interval_s: float = Field(
        default=1.0, gt=0, le=3_600, description="Seconds between two looks for records of the audit log that are not in their chain yet."
    )
    audit_anchor_interval_s: float = Field(
        default=60.0, gt=0, le=86_400, description="Seconds between two signed anchors of a chain that grows."
    )

    audit_retention_days: float = Field(
        default=0.0, ge=0, le=36_500, description="Days records of the audit log are kept; 0 keeps all. What is left can still be verified."
    )
    audit_retention_interval_s: float = Field(
        default=3_600.0, ge=1, le=86_400, description="Seconds between two searches for records of the audit log that may be deleted."
    )

    @field_validator("master_keys_previous", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
