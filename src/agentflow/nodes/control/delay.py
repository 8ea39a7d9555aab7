"""``delay``: waits, for a while or until a moment."""

from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, Field, model_validator

from agentflow.errors import NodeError
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import NodeContext

MAX_SECONDS = 2_592_000
"""Thirty days."""


class DelayConfig(NodeConfig):
    """Settings of ``delay``: exactly one of the two."""

    seconds: float | None = Field(
        default=None, ge=0, le=MAX_SECONDS, description="Seconds to wait, at most 30 days; fractions are fine.", examples=[1.5]
    )
    until: AwareDatetime | None = Field(
        default=None,
        description="Moment to wait for, as RFC 3339 with a time zone; one in the past does not wait, one beyond 30 days fails.",
        examples=["2030-01-01T09:00:00Z"],
    )

    @model_validator(mode="after")
    def _one(self) -> "DelayConfig":
        if (self.seconds is None) == (self.until is None):
            raise ValueError("give exactly one of seconds and until")
        return self


class DelayOutput(NodeOutput):
    """What ``delay`` tells."""

    waited_s: float = Field(description="Seconds from the node's first start to its end.", examples=[1.5])


class DelayNode(NodeType[DelayConfig]):
    """Waits; after a crash only for what is left."""

    type = "delay"
    title = "Delay"
    description = "Waits for some seconds or until a moment; a restart of the server does not begin the wait anew."
    category = "control"
    icon = "timer"
    config_model = DelayConfig
    output_model = DelayOutput
    example = {"id": "pause", "type": "delay", "config": {"seconds": 1.5}}

    async def run(self, context: NodeContext, config: DelayConfig) -> DelayOutput:
        """Wait until the moment counted from when the node first began.

        Raises:
            NodeError: ``INVALID_CONFIG`` when the moment is more than 30 days away.
        """
        due = config.until or context.started_at + timedelta(seconds=config.seconds or 0)
        if due - context.started_at > timedelta(seconds=MAX_SECONDS):
            raise NodeError(
                f"The moment to wait for, {due.isoformat()}, is more than 30 days away.",
                error_code="INVALID_CONFIG",
                hint="Wait in several steps, or start the run later.",
            )
        await context.sleep_until(due)
        return DelayOutput(waited_s=round(max(0.0, (datetime.now(UTC) - context.started_at).total_seconds()), 3))
