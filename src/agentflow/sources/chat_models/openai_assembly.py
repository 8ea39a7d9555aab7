"""Putting a streamed answer of the chat completions API together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.sources.chat_models.base import ChatRequest, ChatResult, Usage, estimate_tokens, plain_text
from agentflow.sources.chat_models.openai_errors import ServerErrors

MAX_ANSWER_CHARACTERS = 8_000_000
MAX_TOOL_CALLS = 128


@dataclass(slots=True)
class _ToolCall:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Assembly:
    """One answer as it arrives.

    Args:
        request: what was asked; its length estimates tokens where the server reports none.
        model: the name to report until the server tells its own.
        errors: makes the errors of this server.
    """

    def __init__(self, request: ChatRequest, model: str, errors: ServerErrors) -> None:
        self.finish_reason: str | None = None
        self._request, self._model, self._errors = request, model, errors
        self._text: list[str] = []
        self._characters = 0
        self._calls: dict[int, _ToolCall] = {}
        self._reported: Usage | None = None

    @property
    def begun(self) -> bool:
        """Whether text was handed out; from then on a failure is final for the attempt."""
        return bool(self._text)

    def add(self, data: str) -> str:
        """Take in the data of one event; returns the text to show of it.

        Raises:
            NodeError: ``MODEL_PROTOCOL``, or what an error object in the stream says.
        """
        return self.add_chunk(self.parse(data))

    def parse(self, data: str | bytes) -> Mapping[str, Any]:
        """Return an answer or a chunk of one as an object; raises NodeError as ``add`` does."""
        try:
            value = json.loads(data)
        except json.InvalidJson as error:
            raise self._errors.protocol(f"it is not JSON ({error})", begun=self.begun) from error
        if not isinstance(value, dict):
            raise self._errors.protocol("it is no JSON object", begun=self.begun)
        if value.get("error"):
            raise self._errors.of_object(value["error"], begun=self.begun)
        return value

    def add_chunk(self, chunk: Mapping[str, Any], part: str = "delta") -> str:
        """Take in a parsed chunk, or with ``part`` "message" a whole completion; returns the text to show of it."""
        try:
            self._model = str(chunk.get("model") or self._model)
            self._count(chunk.get("usage"))
            return "".join(self._choice(choice, part) for choice in chunk.get("choices") or () if choice.get("index", 0) == 0)
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise self._errors.protocol("a field has the wrong type", begun=self.begun) from error

    def _choice(self, choice: Mapping[str, Any], part: str) -> str:
        delta = choice.get(part) or {}
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        for position, call in enumerate(delta.get("tool_calls") or ()):
            self._add_call(call, position)
        text = delta.get("content") or ""
        if not isinstance(text, str):
            text = plain_text(text)
        self._grow(len(text))
        if text:
            self._text.append(text)
        return text

    def _add_call(self, piece: Mapping[str, Any], position: int) -> None:
        index = int(piece.get("index", position))
        call = self._calls.setdefault(index, _ToolCall())
        if len(self._calls) > MAX_TOOL_CALLS:
            raise self._errors.protocol(f"more than {MAX_TOOL_CALLS} tool calls", begun=self.begun)
        function = piece.get("function") or {}
        call.id = call.id or str(piece.get("id") or "")
        call.name += str(function.get("name") or "")
        arguments = str(function.get("arguments") or "")
        self._grow(len(arguments))
        call.arguments.append(arguments)

    def _grow(self, characters: int) -> None:
        self._characters += characters
        if self._characters > MAX_ANSWER_CHARACTERS:
            raise self._errors.protocol(f"it is longer than {MAX_ANSWER_CHARACTERS} characters", begun=self.begun)

    def _count(self, used: Any) -> None:
        if isinstance(used, Mapping):
            prompt, completion = int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0)
            if prompt < 0 or completion < 0:
                raise ValueError("negative token count")
            self._reported = Usage(prompt, completion)

    def result(self) -> ChatResult:
        """Return the finished answer.

        Raises:
            NodeError: ``MODEL_OUTPUT_INVALID`` when a tool call's arguments are not a JSON object.
        """
        text = "".join(self._text)
        calls = [self._finished(index, self._calls[index]) for index in sorted(self._calls)]
        return ChatResult(text, self._usage(text), self._model, self.finish_reason or "stop", calls)

    def _usage(self, text: str) -> Usage:
        if self._reported is not None:
            return Usage(self._reported.input_tokens, self._reported.output_tokens, None, self._model)
        asked = "".join(plain_text(message.get("content")) for message in self._request.messages)
        answered = text + "".join(part for call in self._calls.values() for part in (call.name, *call.arguments))
        return Usage(estimate_tokens(asked), estimate_tokens(answered), None, self._model, estimated=True)

    def _finished(self, index: int, call: _ToolCall) -> Mapping[str, Any]:
        try:
            arguments = json.loads("".join(call.arguments) or "{}")
        except json.InvalidJson as error:
            raise _bad_arguments(call.name, "are not JSON") from error
        if not isinstance(arguments, dict):
            raise _bad_arguments(call.name, "are no JSON object")
        return {"id": call.id or f"call_{index}", "name": call.name, "arguments": arguments}


def _bad_arguments(name: str, what: str) -> NodeError:
    return NodeError(
        f"The arguments of the model's call to the tool {name} {what}.",
        error_code="MODEL_OUTPUT_INVALID",
        retryable=True,
        hint="Raise max_tokens if the answer was cut off; a retry policy asks again.",
    )
