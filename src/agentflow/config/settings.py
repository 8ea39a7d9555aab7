"""Every setting, read once at start from ``AGENTFLOW_*`` variables and an optional TOML file."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from agentflow.config.edges import EdgeSettings
from agentflow.config.encryption import unencrypted
from agentflow.config.identity import IdentitySettings
from agentflow.config.limits import Limits
from agentflow.config.runtime import RuntimeSettings
from agentflow.config.secrets import SecretSettings
from agentflow.config.storage import StorageSettings
from agentflow.config.traffic import TrafficSettings

_ADDRESSES = ("database_url", "database_replica_url", "redis_url", "broker_url", "object_store_url", "otlp_endpoint", "malware_scanner")
"""Settings that say where other systems are; that of the mail server is kept apart, for it is a secret."""


class Settings(EdgeSettings, IdentitySettings, Limits, RuntimeSettings, SecretSettings, StorageSettings, TrafficSettings, BaseSettings):
    """The settings of one process; the environment wins over the file ``AGENTFLOW_CONFIG`` names."""

    model_config = SettingsConfigDict(env_prefix="AGENTFLOW_", extra="forbid", frozen=True)

    config: Path | None = Field(default=None, description="TOML file with settings; environment variables win over it.")
    host: str = Field(default="127.0.0.1", description="Address the server listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the server listens on; 0 takes a free one.")
    data_dir: Path = Field(default=Path(".agentflow"), description="Folder for the SQLite database, the owner's key and files.")
    database_url: str | None = Field(
        default=None,
        description="`postgresql://…` or `sqlite:///…`; without it a SQLite file in the data folder.",
    )
    database_replica_url: str | None = Field(
        default=None,
        description="`postgresql://…`: a hot standby of the database, from which lists are read as long as it is less than a second behind.",
    )
    redis_url: str | None = Field(
        default=None,
        description="`redis://…`, or nodes of a cluster as `redis+cluster://host:port,host:port`: limits over all processes, sessions, and "
        "the hot tier of checkpoints.",
    )
    broker_url: str | None = Field(default=None, description="`amqp://…` or `redis://…`: runs are driven by `agentflow worker` processes.")
    object_store_url: str | None = Field(
        default=None, description="`s3://bucket/prefix`, `gs://…`, `az://…` or `file:///…` for large values; without it the data folder."
    )
    database_pool_size: int = Field(default=8, ge=1, le=200, description="Connections this process keeps to the database.")
    database_timeout_s: float = Field(
        default=30.0,
        ge=1,
        description="Seconds that PostgreSQL may take for one statement; then it counts as hung and its connection as lost.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least severe log line written.")
    log_format: Literal["console", "json"] = Field(default="console", description="`console` for people, `json` for machines.")
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port on which `agentflow worker` serves `/metrics` and `/health`; 0 takes a free one."
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="`http://collector:4318`: traces go there (OTLP over HTTP). `OTEL_EXPORTER_OTLP_ENDPOINT` and its kin work too.",
    )
    trace_content: bool = Field(
        default=False, description="Traces also carry prompts, answers, SQL and full addresses, which may hold personal data and secrets."
    )
    require_tls: bool = Field(
        default=False,
        description="Refuse to start when the database, its replica, Redis, the broker, the object store, the collector of traces, the malware "
        "scanner or the mail server is on another machine and its address is not encrypted (`sslmode=verify-full`, `rediss://`, `amqps://`, `https://`, `smtps://`).",
    )
    http_allowed_hosts: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Hosts (or `host:port`), comma-separated, that nodes may reach although they are on a private network.",
    )
    local_model_path: Path | None = Field(default=None, description="GGUF file of the local language model, instead of the packaged one.")

    @field_validator("http_allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _tier_has_redis(self) -> Self:
        if self.checkpoint_tier == "redis" and self.redis_url is None:
            raise ValueError("checkpoint_tier=redis needs redis_url")
        return self

    @model_validator(mode="after")
    def _replica_is_of_postgresql(self) -> Self:
        addresses = (self.database, self.database_replica_url)
        if self.database_replica_url is not None and not all(str(url).startswith("postgres") for url in addresses):
            raise ValueError("database_replica_url is for PostgreSQL: it and database_url have to begin with postgresql://")
        return self

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        addresses = {name: getattr(self, name) for name in _ADDRESSES}
        addresses["smtp_url"] = self.smtp_url.get_secret_value() if self.smtp_url else None
        if self.require_tls and (plain := unencrypted(addresses)):
            raise ValueError(
                f"require_tls forbids the address in {', '.join(plain)}: it leads to another machine without TLS, or without proof of who "
                "answers. Write postgresql://…?sslmode=verify-full, rediss://, amqps://, https://, smtps://."
            )
        return self

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'agentflow.db'}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read, in order of precedence: arguments, environment, the TOML file."""
        path = env_settings().get("config") or init_settings().get("config")
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=path)
