"""``wait_for_event``: waits until another system says that something has happened."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agentflow.errors import NodeError
from agentflow.kit.json_schema import mismatches
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType, holds_template
from agentflow.nodes.context import NodeContext, Question, Reply
from agentflow.nodes.fields import MAX_WAIT_S, JsonSchema, Text
from agentflow.nodes.shapes import of_user
from agentflow.spec.catalog import ConfigProblem


class EventFallback(BaseModel):
    """What counts as the event when none comes in time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Any = Field(default=None, description="The data.", examples=[{"paid": False}])


class WaitForEventConfig(NodeConfig):
    """Which event is awaited, and for how long."""

    event: Text = Field(min_length=1, max_length=200, description="Name of the event.", examples=["payment.received"])
    key: Text | None = Field(
        default=None,
        max_length=500,
        description="Tells events of one name apart, for example an order number; without it any event of the name counts.",
        examples=["{{ inputs.order }}"],
    )
    json_schema: JsonSchema | None = Field(
        default=None,
        description="JSON Schema of the event's data; an event that does not fit is not taken.",
        examples=[{"type": "object", "required": ["paid"], "properties": {"paid": {"type": "boolean"}}}],
        json_schema_extra={"x-raw": True},
    )
    timeout_s: float | None = Field(
        default=None, gt=0, le=MAX_WAIT_S, description="Seconds to wait at most; for ever when null.", examples=[3_600]
    )
    on_timeout: EventFallback | None = Field(
        default=None,
        description="What counts as the event then; without it the node fails with EVENT_TIMEOUT, and `on_error` may take over.",
        examples=[{"data": {"paid": False}}],
    )

    @model_validator(mode="after")
    def _times_fit(self) -> "WaitForEventConfig":
        if self.on_timeout is not None and self.timeout_s is None:
            raise ValueError("on_timeout needs timeout_s")
        return self

    @property
    def misfits(self) -> Sequence[ConfigProblem]:
        """What is wrong with the data that count when no event comes."""
        if self.on_timeout is None:
            return ()
        found = mismatches(self.json_schema or {}, self.on_timeout.data)
        return tuple(ConfigProblem(("on_timeout", "data"), f"does not fit json_schema at {path or '/'}: {text}") for path, text in found)


class WaitForEventOutput(NodeOutput):
    """The event."""

    data: Any = Field(description="What came with the event.", examples=[{"paid": True}])
    received: bool = Field(description="Whether the event came; false when the time was over.", examples=[True])
    by: str | None = Field(description="Id of the user who sent it; null when none came.", examples=["019a9f3e"])
    at: datetime | None = Field(description="When it came, or when the time was over.", examples=["2026-11-21T09:30:00Z"])


class WaitForEventNode(NodeType[WaitForEventConfig]):
    """Waits for an event; nothing is held while the run waits."""

    type = "wait_for_event"
    title = "Wait for event"
    description = "Waits until an event is sent to the run, or to everybody who waits for its name and key."
    category = "control"
    icon = "radio"
    config_model = WaitForEventConfig
    output_model = WaitForEventOutput
    example = {
        "id": "paid",
        "type": "wait_for_event",
        "config": {"event": "payment.received", "key": "{{ inputs.order }}", "timeout_s": 3600},
    }

    def check_config(self, config: Mapping[str, Any]) -> Sequence[ConfigProblem]:
        """Return what is wrong with a raw config, also with the default data as far as they hold no template."""
        problems = super().check_config(config)
        if problems or holds_template(config.get("on_timeout")):
            return problems
        try:
            return WaitForEventConfig.model_validate(config).misfits
        except ValidationError:
            return ()  # a template stands where a value of another type belongs; only the run can tell

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the output's schema; ``data`` has the shape that the config asks for."""
        schema = self._output_schema
        return {**schema, "properties": {**schema["properties"], "data": of_user(config.get("json_schema"))}}

    async def run(self, context: NodeContext, config: WaitForEventConfig) -> WaitForEventOutput:
        """Wait, and return the event.

        Raises:
            NodeError: ``EVENT_TIMEOUT`` when none came in time and there is no default; ``INVALID_CONFIG`` when the default does not fit
                once its templates are filled in.
        """
        for problem in config.misfits:
            place = ".".join(map(str, problem.path))
            raise NodeError(f"{place} of the config is not valid: it {problem.message}.", error_code="INVALID_CONFIG")
        request: dict[str, Any] = {"event": config.event, "key": config.key}
        if config.json_schema is not None:
            request["json_schema"] = config.json_schema
        question = Question("event", request, expires_in_s=config.timeout_s, event_name=config.event, event_key=config.key)
        reply = await context.ask(question)
        if reply.status == "expired":
            return _timed_out(config, reply)
        return WaitForEventOutput(data=reply.answer.get("values"), received=True, by=reply.by, at=reply.at)


def _timed_out(config: WaitForEventConfig, reply: Reply) -> WaitForEventOutput:
    if config.on_timeout is None:
        raise NodeError(
            f"The event {config.event} did not come in time.",
            error_code="EVENT_TIMEOUT",
            hint="Raise timeout_s, say with on_timeout what counts then, or take the failure up with on_error.",
        )
    return WaitForEventOutput(data=config.on_timeout.data, received=False, by=None, at=reply.at)
