"""Ask a language model."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from agentflow.errors import NodeError
from agentflow.kit.json_schema import check_schema
from agentflow.nodes.ai import json_answer
from agentflow.nodes.ai.messages import MAX_IMAGES, Message, ToolCall, with_images
from agentflow.nodes.base import NodeConfig, NodeOutput, NodeType
from agentflow.nodes.context import USUAL_ANSWER_TOKENS, ChatRequest, ChatResult, NodeContext, estimate_tokens, plain_text
from agentflow.nodes.shapes import of_user

MAX_TOOLS = 128


class Tool(BaseModel):
    """A function that the model may ask to be called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Its name.", examples=["get_weather"])
    description: str = Field(default="", description="Tells the model when to call it.", examples=["The weather of a city, now."])
    parameters: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object"},
        description="JSON Schema of its arguments.",
        examples=[{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}],
    )

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, value: dict[str, Any]) -> dict[str, Any]:
        check_schema(value)
        return value


class LlmConfig(NodeConfig):
    """What to ask, and how the model is to answer."""

    prompt: str | None = Field(default=None, description="The user's message.", examples=["Summarise: {{ inputs.text }}"])
    system: str | None = Field(default=None, description="How the model is to behave.", examples=["Answer in one sentence."])
    messages: list[Message] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="A whole chat, instead of `prompt`.",
        examples=[[{"role": "user", "content": "Hello"}]],
    )
    images: list[str] = Field(
        default_factory=list,
        max_length=MAX_IMAGES,
        description="Images to look at with `prompt`: URLs, `data:` URLs or base64; for models that can see.",
        examples=[["https://example.org/chart.png"]],
    )
    model: str | None = Field(default=None, description="The model, instead of the one that the source names.", examples=["gpt-4o-mini"])
    temperature: float | None = Field(
        default=None,
        ge=0,
        le=2,
        description="0 always takes the likeliest word; higher varies more. Without it the model's own default.",
        examples=[0.2],
    )
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000, description="Longest answer, in tokens.", examples=[300])
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="Choose among the likeliest words up to this probability.", examples=[0.9]
    )
    seed: int | None = Field(
        default=None, ge=-(2**63), lt=2**63, description="The same seed asks for the same answer, where the model can.", examples=[7]
    )
    stop: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list, max_length=16, description="Texts that end the answer.", examples=[["\n\n"]]
    )
    tools: list[Tool] = Field(
        default_factory=list,
        max_length=MAX_TOOLS,
        description="Functions the model may ask to be called; the calls come out as `tool_calls`.",
        examples=[[{"name": "get_weather", "parameters": {"type": "object"}}]],
        json_schema_extra={"x-raw": True},
    )
    tool_choice: str | None = Field(
        default=None, description="`auto`, `none`, `required`, or the name of the tool to call.", examples=["required"]
    )
    json_schema: dict[str, Any] | None = Field(
        default=None,
        description="JSON Schema that the answer must fit; the parsed value comes out as `json`.",
        examples=[{"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}],
        json_schema_extra={"x-raw": True},
    )
    stream: bool = Field(default=True, description="Show the text while it is written, as `node.token` events.", examples=[True])
    timeout_s: float = Field(default=120.0, gt=0, le=3600, description="Seconds one call may take.", examples=[60])

    @field_validator("json_schema")
    @classmethod
    def _is_schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            check_schema(value)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> "LlmConfig":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        if self.images and self.prompt is None:
            raise ValueError("images go with prompt; in messages, write them as parts")
        if self.tools and self.json_schema is not None:
            raise ValueError("give either tools or json_schema")
        if self.tool_choice not in {None, "auto", "none", "required", *(tool.name for tool in self.tools)}:
            raise ValueError("tool_choice must be auto, none, required or the name of one of the tools")
        return self


class LlmUsage(NodeOutput):
    """Tokens of the call."""

    input_tokens: int = Field(description="Tokens of the prompt.")
    output_tokens: int = Field(description="Tokens of the answer.")
    total_tokens: int = Field(description="Both together.")
    estimated: bool = Field(description="True when the server reported no tokens and they were estimated from the text's length.")


class LlmOutput(NodeOutput):
    """The model's answer."""

    text: str = Field(description="The answer as text.")
    json_value: Any = Field(default=None, alias="json", description="The parsed answer when `json_schema` was given, else null.")
    tool_calls: list[ToolCall] = Field(description="The calls that the model asks for.")
    usage: LlmUsage = Field(description="Tokens of the call.")
    model: str = Field(description="The model that answered.")
    cost_usd: float | None = Field(description="Price of the call in US dollars; null when the model's price is unknown.")
    finish_reason: str = Field(description="Why the answer ended: `stop`, `length`, `tool_calls`, `content_filter`, …")


class LlmNode(NodeType[LlmConfig]):
    """Chat completion through the model gateway."""

    type = "llm"
    title = "Language model"
    description = "Asks a language model: messages, tools, JSON-schema answers, streamed text, images."
    category = "ai"
    icon = "message-square"
    config_model = LlmConfig
    output_model = LlmOutput
    source_kinds = frozenset({"llm"})
    example = {
        "id": "answer",
        "type": "llm",
        "source": "chat",
        "config": {"system": "Answer in one sentence.", "prompt": "{{ inputs.question }}", "temperature": 0.2, "max_tokens": 300},
    }

    def source_required(self, config: Mapping[str, Any]) -> bool:
        """Without a source the local model answers."""
        return False

    def output_schema(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the output's schema; ``json`` has the shape that the config asks for, so that references into it can be checked."""
        schema = self._output_schema
        return {**schema, "properties": {**schema["properties"], "json": of_user(config.get("json_schema"))}}

    def expected_tokens(self, config: LlmConfig) -> int:
        """Return the prompt's length by a rule of thumb, and the longest answer that is allowed."""
        texts = [config.system or "", config.prompt or "", *(plain_text(message.content) for message in config.messages or ())]
        return sum(map(estimate_tokens, texts)) + (config.max_tokens or USUAL_ANSWER_TOKENS)

    async def run(self, context: NodeContext, config: LlmConfig) -> LlmOutput:
        """Ask the model; see the base for what it raises."""
        result = await self._ask(context, config)
        context.use(result.usage)
        return LlmOutput(
            text=result.text,
            json_value=self._parsed(result, config),
            tool_calls=[ToolCall.model_validate(call) for call in result.tool_calls],
            usage=LlmUsage(
                input_tokens=result.usage.input_tokens,
                output_tokens=result.usage.output_tokens,
                total_tokens=result.usage.input_tokens + result.usage.output_tokens,
                estimated=result.usage.estimated,
            ),
            model=result.model,
            cost_usd=None if result.usage.cost_usd is None else float(result.usage.cost_usd),
            finish_reason=result.finish_reason,
        )

    async def _ask(self, context: NodeContext, config: LlmConfig) -> ChatResult:
        async with aclosing(context.models.chat(context.source, _request(config))) as deltas:
            async for delta in deltas:
                if delta.text and config.stream:
                    context.token(delta.text)
                if delta.final is not None:
                    return delta.final
        raise NodeError("The model gave no answer.", error_code="MODEL_PROTOCOL", retryable=True)

    def _parsed(self, result: ChatResult, config: LlmConfig) -> Any:
        return None if config.json_schema is None else json_answer.read(result.text, config.json_schema)


def _request(config: LlmConfig) -> ChatRequest:
    messages = [message.wire() for message in config.messages or ()]
    if config.prompt is not None:
        messages.append({"role": "user", "content": with_images(config.prompt, config.images)})
    if config.system:
        messages.insert(0, {"role": "system", "content": config.system})
    return ChatRequest(
        messages=messages,
        model=config.model,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        top_p=config.top_p,
        seed=config.seed,
        stop=config.stop,
        tools=[tool.model_dump() for tool in config.tools],
        tool_choice=config.tool_choice if config.tools else None,
        json_schema=config.json_schema,
        timeout_s=config.timeout_s,
    )
