"""How much traffic is taken in, and how much goes out."""

from pydantic import BaseModel, Field


class TrafficSettings(BaseModel):
    """Bounds beyond which new runs are refused, and retries of outside calls are held back."""

    max_queued_runs: int = Field(
        default=100_000, ge=1, description="Runs that may wait for a worker, in all; further starts are refused with 503 `OVERLOADED`."
    )
    max_queued_runs_per_tenant: int = Field(
        default=50_000,
        ge=1,
        description="Runs of one tenant that may wait for a worker; its further starts are refused with 429 `QUEUE_FULL`.",
    )
    max_concurrent_starts: int = Field(
        default=1_200,
        ge=1,
        description="Starts that one process works on at a time at most, with the runs that wait in it for their first step; "
        "more are refused with 503 `OVERLOADED`.",
    )
    max_start_latency_s: float = Field(
        default=0.15,
        ge=0.01,
        le=60,
        description="Seconds that a start may take; while they come faster than they are done, those that would take longer are refused "
        "with 503 `OVERLOADED`, though 32 are always worked on. What comes within 0.4 s is a burst, which is let in up to `max_concurrent_starts`.",
    )
    max_event_loop_lag_s: float = Field(
        default=0.5,
        ge=0.02,
        le=60,
        description="Seconds by which a process may be behind its work: at this lag it refuses every new start, from half of it on some.",
    )
    retry_budget_ratio: float = Field(
        default=0.2, ge=0, le=10, description="Retries of calls to one outside system for each first attempt, in the long run."
    )
    retry_budget_reserve: int = Field(
        default=10, ge=0, le=10_000, description="Retries that may be made in addition; one comes back a minute."
    )
