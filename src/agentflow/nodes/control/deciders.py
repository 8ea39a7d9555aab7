"""The ways a router can choose; each returns which routes match, in order, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agentflow.errors import NodeError
from agentflow.kit import json
from agentflow.nodes.context import ChatRequest, NodeContext

NONE = "none of these"
_PATTERN_MEMORY = 1 << 20
_INSTRUCTION = "You route a text to the option that fits it. Answer with JSON only.\nOptions:\n"


@dataclass(frozen=True, slots=True)
class Choice:
    """The routes that match, by index, best first, and the reason for a person."""

    indices: Sequence[int]
    reason: str


def by_condition(results: Sequence[bool]) -> Choice:
    """Choose the routes whose condition is true."""
    return _choice([index for index, holds in enumerate(results) if holds], "its condition is true", "no condition is true")


def by_keywords(text: str, keywords: Sequence[Sequence[str]]) -> Choice:
    """Choose the routes of which a keyword stands in the text as whole words, whatever the case."""
    folded = text.casefold()
    hits = {index: word for index, words in enumerate(keywords) if (word := _first_in(folded, words)) is not None}
    return _choice(list(hits), f"the input contains {next(iter(hits.values()))!r}" if hits else "", "the input contains no keyword")


def _first_in(folded: str, words: Sequence[str]) -> str | None:
    return next((word for word in words if re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", folded)), None)


def by_pattern(text: str, patterns: Sequence[str]) -> Choice:
    """Choose the routes whose pattern is found in the text, in time linear in its length.

    Raises:
        NodeError: ``INVALID_CONFIG`` when a pattern that came from a template is not one.
    """
    try:
        hits = [index for index, pattern in enumerate(patterns) if _compiled(pattern).search(text)]
    except ValueError as error:
        raise NodeError(str(error), error_code="INVALID_CONFIG", hint="RE2 has no look-around and no back-references.") from error
    return _choice(hits, f"the input matches {patterns[hits[0]]!r}" if hits else "", "the input matches no pattern")


def checked_pattern(pattern: str) -> str:
    """Return a pattern that can be run.

    Raises:
        ValueError: it is not RE2 syntax, or needs too much memory.
    """
    _compiled(pattern)
    return pattern


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.max_mem = _PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"{pattern!r} is not a pattern that RE2 can run: {words}") from error


async def by_model(context: NodeContext, text: str, options: Sequence[tuple[str, str]], *, multiple: bool, may_refuse: bool) -> Choice:
    """Ask a model which options fit; with ``may_refuse`` it may say that none does.

    Raises:
        NodeError: the gateway's errors, and ``MODEL_OUTPUT_INVALID`` (retryable) when the model names no option.
    """
    names = [name for name, _ in options]
    allowed = [*names, NONE] if may_refuse else names
    lines = "\n".join(f"- {name}: {description}" for name, description in options)
    request = ChatRequest(
        messages=[{"role": "system", "content": _INSTRUCTION + lines}, {"role": "user", "content": text}],
        temperature=0.0,
        json_schema=_answer_schema(allowed, multiple=multiple),
    )
    answer = _parsed(await _ask(context, request))
    reason = str(answer.get("reason") or "the model chose it")
    given = answer.get("routes") if multiple else [answer.get("route")]
    chosen = [name for name in given if name in allowed] if isinstance(given, list) else []
    if not chosen and not (multiple and given == []):
        raise _invalid_answer()
    return Choice([names.index(name) for name in dict.fromkeys(chosen) if name != NONE], reason)


def _answer_schema(allowed: Sequence[str], *, multiple: bool) -> dict[str, Any]:
    route = {"type": "string", "enum": list(allowed)}
    chosen = {"routes": {"type": "array", "items": route}} if multiple else {"route": route}
    return {
        "type": "object",
        "properties": {**chosen, "reason": {"type": "string", "maxLength": 200}},
        "required": [*chosen, "reason"],
        "additionalProperties": False,
    }


async def _ask(context: NodeContext, request: ChatRequest) -> str:
    async for delta in context.models.chat(context.source, request):
        if delta.final is not None:
            context.use(delta.final.usage)
            return delta.final.text
    raise _invalid_answer()


def _parsed(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except json.InvalidJson as error:
        raise _invalid_answer() from error
    if not isinstance(answer, dict):
        raise _invalid_answer()
    return answer


def _invalid_answer() -> NodeError:
    return NodeError(
        "The model did not answer with one of the routes.",
        error_code="MODEL_OUTPUT_INVALID",
        retryable=True,
        hint="Give the node a retry policy, use a larger model, or choose by keywords.",
    )


def _choice(indices: Sequence[int], hit: str, miss: str) -> Choice:
    return Choice(indices, hit if indices else miss)
