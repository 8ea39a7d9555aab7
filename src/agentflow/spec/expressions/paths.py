"""Plain paths (``nodes.search.matches[0].text``): most of what people write, read and followed without the parser."""

import re
from collections.abc import Mapping
from typing import Any

from agentflow.spec.expressions.values import Missing, attribute, item

Part = str | int

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_STEP = rf"\.{_NAME}|\[\d{{1,9}}\]|\['[^'\\\n]*'\]|\[\"[^\"\\\n]*\"\]"
_PATH = re.compile(rf"\s*({_NAME})((?:{_STEP}){{0,40}})\s*", re.ASCII)
_STEPS = re.compile(_STEP, re.ASCII)
_WORDS = frozenset({"true", "false", "none", "True", "False", "None", "not", "and", "or", "if", "else", "in", "is"})


def parse_path(expression: str) -> tuple[Part, ...] | None:
    """Return the parts of a plain path, the root's name first; None when the expression is anything else."""
    found = _PATH.fullmatch(expression)
    if found is None or found[1] in _WORDS:
        return None
    return (found[1], *(_part(step) for step in _STEPS.findall(found[2])))


def _part(step: str) -> Part:
    if step[0] == ".":
        return step[1:]
    return step[2:-2] if step[1] in "'\"" else int(step[1:-1])


_SIMPLE = re.compile(rf"\{{\{{(\s*{_NAME}(?:{_STEP}){{0,40}}\s*)\}}\}}", re.ASCII)


def split_template(text: str) -> tuple[str | tuple[Part, ...], ...] | None:
    """Return the pieces of a template that has plain paths only: text, and paths; None when it has anything else."""
    if "{%" in text or "{#" in text or "\r" in text:
        return None
    pieces: list[str | tuple[Part, ...]] = []
    for index, piece in enumerate(_SIMPLE.split(text)):
        if index % 2:
            path = parse_path(piece)
            if path is None:
                return None
            pieces.append(path)
        elif "{{" in piece:
            return None
        elif piece:
            pieces.append(piece)
    return tuple(pieces)


def follow(path: tuple[Part, ...], context: Mapping[str, Any]) -> Any:
    """Return what ``path`` leads to, or Missing."""
    try:
        value: Any = context
        for part in path:
            value = value[part]
    except (KeyError, IndexError, TypeError):
        return _search(path, context)
    return value


def _search(path: tuple[Part, ...], context: Mapping[str, Any]) -> Any:
    """Follow again, to say what is missing."""
    value = root(str(path[0]), context)
    for index in range(1, len(path)):
        value = item(value, path[index], write_path(path[: index + 1]))
        if type(value) is Missing:
            break
    return value


def root(name: str, context: Mapping[str, Any]) -> Any:
    """Return the value of a top-level name, or Missing."""
    return attribute(context, name, name)


def write_path(path: tuple[Any, ...]) -> str:
    """Return a path as users write it; a part that is neither name nor index stands for "each"."""
    text = str(path[0])
    for part in path[1:]:
        if isinstance(part, int):
            text += f"[{part}]"
        elif isinstance(part, str):
            text += f".{part}" if re.fullmatch(_NAME, part, re.ASCII) else f"[{part!r}]"
        else:
            text += "[]"
    return text
