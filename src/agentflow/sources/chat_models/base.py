"""The port of a chat model: what is asked, what comes back, free of any vendor's shape."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """What one model call used.

    Attributes:
        input_tokens: tokens of the prompt.
        output_tokens: tokens generated.
        cost_usd: price in US dollars; None when the model's price is unknown, 0 when it is free.
        model: the model that answered.
        estimated: True when the server did not report tokens and they were estimated from the length of the text.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = None
    model: str | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat completion to ask for, free of any vendor's shape."""

    messages: Sequence[Mapping[str, Any]]
    """``{"role": "system" | "user" | "assistant" | "tool", "content": text or parts, …}`` in OpenAI's shape."""
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: Sequence[str] = ()
    tools: Sequence[Mapping[str, Any]] = ()
    """Functions the model may call: ``{"name", "description"?, "parameters"?}``, parameters as JSON Schema."""
    tool_choice: str | Mapping[str, Any] | None = None
    """``auto``, ``none``, ``required`` or the name of one tool."""
    json_schema: Mapping[str, Any] | None = None
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True)
class ChatResult:
    """A finished chat completion.

    Attributes:
        text: the whole answer.
        usage: what it used.
        model: the model that answered, as the server names it.
        finish_reason: ``stop``, ``length``, ``tool_calls``, ``content_filter`` or what the server said.
        tool_calls: the calls the model asks for, each ``{"id", "name", "arguments"}`` with arguments as a JSON object.
    """

    text: str
    usage: Usage
    model: str
    finish_reason: str
    tool_calls: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class ChatDelta:
    """A piece of a streamed answer; the last one carries the whole of what is known at the end."""

    text: str = ""
    final: ChatResult | None = None


class ChatModel(Protocol):
    """One chat model of one vendor; serves any number of requests at once."""

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        """Stream a completion; the last delta, and only that, has ``final``. Leaving the iterator early stops the model.

        Raises:
            NodeError: ``MODEL_UNAVAILABLE``, ``MODEL_AUTH``, ``MODEL_RATE_LIMITED``, ``MODEL_TIMEOUT``, ``MODEL_REJECTED``,
                ``MODEL_PROTOCOL`` or ``MODEL_OUTPUT_INVALID``. Retryable only while no text was handed out, so that a reader
                never sees two beginnings.
        """
        ...


CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English, used only where a server does not report tokens."""


USUAL_ANSWER_TOKENS = 512
"""What an answer without a bound is taken to have, where tokens are kept before it is asked for."""


def estimate_tokens(text: str) -> int:
    """Return roughly how many tokens ``text`` has."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def plain_text(content: Any) -> str:
    """Return the text of a message's content: text as it is, the text parts of a list joined."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping) and part.get("type") == "text")
    return ""
