"""``human``: asks a person, and goes on with the answer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agentflow.errors import NodeError
from agentflow.kit.json_schema import mismatches
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType, holds_template
from agentflow.nodes.context import NodeContext, Question, Reply
from agentflow.nodes.fields import MAX_WAIT_S, Assignee, JsonSchema, Text
from agentflow.nodes.shapes import of_user, schema_of
from agentflow.spec.catalog import ConfigProblem

Mode = Literal["approve", "choose", "edit", "form"]
APPROVE, REJECT, SUBMIT = "approve", "reject", "submit"

MAX_DECISION = 100
"""Most characters of a decision."""

_CHOICES: Mapping[str, Sequence[str]] = {"approve": (APPROVE, REJECT), "edit": (APPROVE, REJECT), "form": (SUBMIT,)}
_FILLED: Mapping[str, str] = {"edit": APPROVE, "form": SUBMIT}
"""The decision that comes with values, by mode."""
_EXAMPLE_SCHEMA = {"type": "object", "properties": {"amount": {"type": "number", "minimum": 0}}, "required": ["amount"]}


class Fallback(BaseModel):
    """What counts as the answer when nobody gives one in time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    decision: str = Field(description="The decision.", examples=["reject"])
    values: Any = Field(default=None, description="The values that belong to it.", examples=[{"amount": 0}])


class HumanConfig(NodeConfig):
    """What is asked, of whom, and for how long."""

    mode: Mode = Field(
        default="approve",
        description="`approve` (approve or reject), `choose` (one of `options`), `edit` (approve or reject a value that may be changed), "
        "`form` (values to fill in).",
        examples=["approve"],
    )
    title: Text = Field(min_length=1, max_length=200, description="The question in one line.", examples=["Pay {{ inputs.amount }} EUR?"])
    message: Text = Field(
        default="",
        max_length=20_000,
        description="What the person has to know, in words.",
        examples=["The supplier changed its bank account."],
    )
    details: Any = Field(
        default=None, description="Values to show with the question, of any shape.", examples=[{"invoice": "{{ nodes.read.body }}"}]
    )
    options: list[Text] | None = Field(
        default=None, min_length=1, max_length=100, description="What can be chosen, for `choose`.", examples=[["express", "standard"]]
    )
    value: Any = Field(
        default=None,
        description="The value to edit, for `edit`; what the form is filled with at first, for `form`.",
        examples=["{{ nodes.draft.text }}"],
    )
    json_schema: JsonSchema | None = Field(
        default=None,
        description="JSON Schema of the values that the person gives; needed for `form`, possible for `edit`.",
        examples=[_EXAMPLE_SCHEMA],
        json_schema_extra={"x-raw": True},
    )
    assignees: list[Assignee] = Field(
        default_factory=list,
        max_length=100,
        description="Who may answer: `user:…` (name or id), `role:…`, `group:…`; everybody who may answer runs when empty.",
        examples=[["user:ada", "role:accountant"]],
    )
    expires_in_s: float | None = Field(
        default=None, gt=0, le=MAX_WAIT_S, description="Seconds until nobody may answer any more; for ever when null.", examples=[86_400]
    )
    on_expiry: Fallback | None = Field(
        default=None,
        description="What counts as the answer then; without it the node fails with HUMAN_EXPIRED, and `on_error` may take over.",
        examples=[{"decision": "reject"}],
    )
    escalate_after_s: float | None = Field(
        default=None, gt=0, le=MAX_WAIT_S, description="Seconds until `escalate_to` may answer too.", examples=[3_600]
    )
    escalate_to: list[Assignee] = Field(
        default_factory=list, max_length=100, description="Who may answer besides the assignees then.", examples=[["role:manager"]]
    )

    @model_validator(mode="after")
    def _fits_mode(self) -> "HumanConfig":
        if (self.mode == "choose") != (self.options is not None):
            raise ValueError("options belong to mode choose, and it needs them")
        if self.options is not None and len(set(self.options)) < len(self.options):
            raise ValueError("the options must differ from one another")
        if any(not 1 <= len(option) <= MAX_DECISION for option in self.options or ()):
            raise ValueError(f"an option has 1 to {MAX_DECISION} characters")
        if self.mode == "form" and self.json_schema is None:
            raise ValueError("mode form needs a json_schema")
        if self.mode in {"approve", "choose"} and (self.json_schema is not None or "value" in self.model_fields_set):
            raise ValueError(f"mode {self.mode} takes no value and no json_schema; show values in details")
        if self.mode == "edit" and "value" not in self.model_fields_set:
            raise ValueError("mode edit needs a value")
        return self

    @model_validator(mode="after")
    def _times_fit(self) -> "HumanConfig":
        if self.on_expiry is not None and self.expires_in_s is None:
            raise ValueError("on_expiry needs expires_in_s")
        if (self.escalate_after_s is None) != (not self.escalate_to):
            raise ValueError("escalate_after_s and escalate_to need each other")
        if self.escalate_after_s is not None and self.expires_in_s is not None and self.escalate_after_s >= self.expires_in_s:
            raise ValueError("escalate_after_s must be less than expires_in_s")
        return self

    @property
    def choices(self) -> Sequence[str]:
        """The decisions that can be made."""
        return self.options or _CHOICES[self.mode]

    def misfits(self, fallback: Fallback) -> Sequence[ConfigProblem]:
        """Return what is wrong with the answer that counts when nobody gives one."""
        if fallback.decision not in self.choices:
            return (ConfigProblem(("on_expiry", "decision"), f"must be one of {', '.join(self.choices)}"),)
        given = fallback.values is not None
        if _FILLED.get(self.mode) != fallback.decision:
            return (ConfigProblem(("on_expiry", "values"), f"must be left out: {fallback.decision} takes none"),) if given else ()
        found = mismatches(self.json_schema or {}, fallback.values if given else self.value)
        return tuple(ConfigProblem(("on_expiry", "values"), f"does not fit json_schema at {path or '/'}: {text}") for path, text in found)


class HumanOutput(NodeOutput):
    """The answer."""

    decision: str = Field(description="What was decided.", examples=["approve"])
    values: Any = Field(description="The values that came with it, or null.", examples=[{"amount": 120}])
    by: str | None = Field(description="Id of the user who answered; null when the question expired.", examples=["019a9f3e"])
    comment: str | None = Field(description="Words that came with the answer, or null.", examples=["Checked the invoice."])
    at: datetime | None = Field(description="When it was answered, or expired.", examples=["2026-11-21T09:30:00Z"])


class HumanNode(NodeType[HumanConfig]):
    """Asks a person; nothing is held while the run waits."""

    type = "human"
    title = "Human"
    description = "Asks a person to approve, choose, edit or fill in a form; the run waits and holds nothing meanwhile."
    category = "people"
    icon = "user-check"
    config_model = HumanConfig
    output_model = HumanOutput
    example = {
        "id": "approve",
        "type": "human",
        "config": {"title": "Pay {{ inputs.amount }} EUR?", "details": {"invoice": "{{ inputs.invoice }}"}, "expires_in_s": 86400},
    }

    def check_config(self, config: Mapping[str, Any]) -> Sequence[ConfigProblem]:
        """Return what is wrong with a raw config, also with the default answer as far as it holds no template."""
        problems = super().check_config(config)
        if problems or holds_template(config.get("on_expiry")) or holds_template(config.get("options")):
            return problems
        try:
            parsed = HumanConfig.model_validate(config)
        except ValidationError:
            return ()  # a template stands where a value of another type belongs; only the run can tell
        fallback = parsed.on_expiry
        if fallback is None or (fallback.values is None and holds_template(parsed.value)):
            return ()
        return parsed.misfits(fallback)

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the output's schema; ``decision`` and ``values`` have the shapes that the config asks for."""
        mode, options = config.get("mode", "approve"), config.get("options")
        choices = options if mode == "choose" else _CHOICES.get(mode) if isinstance(mode, str) else None
        decision: dict[str, Any] = {"type": "string"}
        if isinstance(choices, list | tuple) and not holds_template(list(choices)):
            decision["enum"] = list(choices)
        schema = self._output_schema
        return {**schema, "properties": {**schema["properties"], "decision": decision, "values": _values(mode, config)}}

    async def run(self, context: NodeContext, config: HumanConfig) -> HumanOutput:
        """Ask, and return the answer.

        Raises:
            NodeError: ``HUMAN_EXPIRED`` when nobody answered in time and there is no default; ``INVALID_CONFIG`` when the default does
                not fit once its templates are filled in.
        """
        if config.on_expiry is not None:
            for problem in config.misfits(config.on_expiry):
                place = ".".join(map(str, problem.path))
                raise NodeError(f"{place} of the config is not valid: it {problem.message}.", error_code="INVALID_CONFIG")
        reply = await context.ask(_question(config))
        if reply.status == "expired":
            return _expired(config, reply)
        answer = reply.answer
        return HumanOutput(
            decision=answer["decision"], values=answer.get("values"), by=reply.by, comment=answer.get("comment"), at=reply.at
        )


def _values(mode: Any, config: Mapping[str, Any]) -> Mapping[str, Any]:
    if mode in ("approve", "choose"):
        return {"type": "null"}
    known = of_user(config.get("json_schema"))
    if mode == "form":
        return known
    if "json_schema" not in config:
        known = schema_of(config.get("value"))
    return {"anyOf": [known, {"type": "null"}]} if known else {}


def _question(config: HumanConfig) -> Question:
    request: dict[str, Any] = {"mode": config.mode, "title": config.title, "choices": list(config.choices)}
    if config.message:
        request["message"] = config.message
    if config.details is not None:
        request["details"] = config.details
    if config.mode in _FILLED:
        request["filled"] = _FILLED[config.mode]
        request["json_schema"] = config.json_schema or {}
        if "value" in config.model_fields_set:
            request["value"] = config.value
    if config.escalate_to:
        request["escalate_to"] = list(config.escalate_to)
    if config.on_expiry is not None:
        request["on_expiry"] = config.on_expiry.model_dump()
    return Question("human", request, assignees=config.assignees, expires_in_s=config.expires_in_s, escalate_in_s=config.escalate_after_s)


def _expired(config: HumanConfig, reply: Reply) -> HumanOutput:
    fallback = config.on_expiry
    if fallback is None:
        raise NodeError(
            f"Nobody answered {config.title!r} in time.",
            error_code="HUMAN_EXPIRED",
            hint="Raise expires_in_s, say with on_expiry what counts then, or take the failure up with on_error.",
        )
    values = fallback.values
    if values is None and _FILLED.get(config.mode) == fallback.decision:
        values = config.value
    return HumanOutput(decision=fallback.decision, values=values, by=None, comment=None, at=reply.at)
