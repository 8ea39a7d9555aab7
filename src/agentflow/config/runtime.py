"""How runs are driven."""

from typing import Literal

from pydantic import BaseModel, Field


class RuntimeSettings(BaseModel):
    """Leases, concurrency and shutdown of the runtime."""

    lease_s: float = Field(default=10.0, ge=0.5, description="Seconds a worker owns a run without renewing.")
    lease_renew_s: float = Field(default=3.0, ge=0.1, description="Seconds between renewals of a lease.")
    sweep_interval_s: float = Field(default=2.0, ge=0.1, description="Seconds between searches for runs without a live owner.")
    max_concurrent_runs: int = Field(default=2_000, ge=1, description="Runs one process drives at a time; more wait in the queue.")
    max_concurrent_runs_per_tenant: int | None = Field(
        default=None, ge=1, description="Runs of one tenant that are driven at a time, over all workers; more wait in the queue."
    )
    max_attempts: int = Field(
        default=3, ge=1, description="Workers that may die of a run, with no node of it finished in between, before it fails."
    )
    compensation_timeout_s: float = Field(
        default=300.0, ge=0, description="Seconds that undoing the effects of a cancelled or timed-out run may take (`compensate`)."
    )
    shutdown_grace_s: float = Field(default=20.0, ge=0, description="Seconds a stopping server lets running nodes finish.")
    park_after_s: float = Field(default=30.0, ge=0, description="A `delay` longer than this many seconds gives its worker back meanwhile.")
    default_run_timeout_s: float = Field(default=86_400.0, gt=0, description="Seconds a run may take when its specification sets no limit.")
    idempotency_ttl_s: float = Field(default=172_800.0, ge=86_400, description="Seconds an `Idempotency-Key` is remembered.")
    compiled_cache_size: int = Field(default=256, ge=1, description="Compiled workflows kept in memory.")
    checkpoint_tier: Literal["database", "redis"] = Field(
        default="database",
        description="Where checkpoints of live runs go: `redis` needs `AGENTFLOW_REDIS_URL`; results rest on the database either way.",
    )
    checkpoint_ttl_s: int = Field(
        default=86_400, ge=60, description="Seconds after which Redis forgets the checkpoints of a run that writes no more."
    )
    checkpoint_write_back_s: float = Field(
        default=30.0, ge=0.1, description="Seconds between writing the newest checkpoint of live runs from Redis to the database."
    )
