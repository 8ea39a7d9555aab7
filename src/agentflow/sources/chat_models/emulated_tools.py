"""Tool calls for models whose template knows none: the answer is held to a JSON schema that is either a call or a text."""

from collections.abc import Mapping, Sequence
from typing import Any

from agentflow.kit import json

_ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


def schema(tools: Sequence[Mapping[str, Any]], choice: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the JSON Schema of an answer that calls one of ``tools``, or, unless ``choice`` asks for a call, says a text."""
    wanted = [tool for tool in tools if tool["name"] == choice] or list(tools)
    forms: list[dict[str, Any]] = [
        {
            "type": "object",
            "properties": {"tool": {"const": tool["name"]}, "arguments": tool.get("parameters") or _ANY_OBJECT},
            "required": ["tool", "arguments"],
        }
        for tool in wanted
    ]
    if choice is None or choice == "auto":
        forms.append({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]})
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def instructions(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return the words that tell a model of its tools."""
    lines = [
        f"- {tool['name']}: {tool.get('description') or 'no description'}; arguments {json.dumps(tool.get('parameters') or {})}"
        for tool in tools
    ]
    return "You can call one of these tools by answering with JSON, or answer with a text:\n" + "\n".join(lines)


def parse(text: str) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """Return the text and the calls of an answer that was held to ``schema``; a cut-off answer counts as text."""
    try:
        answer = json.loads(text)
    except json.InvalidJson:
        return text, ()
    if isinstance(answer, dict) and "tool" in answer:
        return "", ({"id": "call_0", "name": answer["tool"], "arguments": answer.get("arguments") or {}},)
    return (str(answer.get("text", "")) if isinstance(answer, dict) else text), ()


def as_text(message: Mapping[str, Any]) -> str:
    """Return what a message of a tool dialogue says in plain words; empty for any other message."""
    if message.get("role") == "tool":
        return f"The tool answered: {message.get('content')}"
    calls = message.get("tool_calls") or ()
    return "\n".join(f"I call the tool {call['function']['name']} with {call['function']['arguments']}." for call in calls)
