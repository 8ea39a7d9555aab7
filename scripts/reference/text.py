"""Markdown, and what the code says about itself."""

import ast
import inspect
from collections.abc import Iterable, Mapping, Sequence
from enum import EnumType
from typing import Any

NOTICE = "<!-- Written by `make docs` from the code; change it there. -->"


def page(title: str, introduction: str, *parts: str) -> str:
    """Return a page: title, what it is for, parts."""
    return "\n\n".join([f"# {title}", NOTICE, introduction, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines.extend("| " + " | ".join(cell(value) for value in row) + " |" for row in rows)
    return "\n".join(lines)


def cell(value: Any) -> str:
    """Return a value as one table cell."""
    return " ".join(str(value).replace("|", "\\|").split())


def code(value: Any) -> str:
    """Return a value in code type."""
    return f"`{value}`"


def member_docs(enum: EnumType) -> dict[str, str]:
    """Return the text below each member of an enumeration, by the member's value.

    Raises:
        LookupError: a member has none.
    """
    tree = ast.parse(inspect.getsource(enum))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, str] = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            text = following.value.value if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant) else ""
            if not text:
                raise LookupError(f"{enum.__name__}.{statement.targets[0].id} says nothing about itself.")
            found[enum[statement.targets[0].id].value] = str(text)
    return found


def schema_rows(schema: Mapping[str, Any]) -> list[list[str]]:
    """Return the properties of a JSON Schema as rows: name, type, default, meaning."""
    required = set(schema.get("required", ()))
    rows = []
    for name, part in schema.get("properties", {}).items():
        default = "required" if name in required else code(_json(part["default"])) if "default" in part else ""
        rows.append([code(name), kind_of(part), default, part.get("description", "")])
    return rows


def kind_of(schema: Mapping[str, Any]) -> str:
    """Return the type of a JSON Schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return " or ".join(code(_json(value)) for value in schema.get("enum", [schema.get("const")]))
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(kind_of(option) for option in options if option.get("type") != "null"))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items') or {})}"
    return f"{schema.get('type', 'any')}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    parts = [f"≥ {low}" if low is not None else "", f"> {above}" if above is not None else ""]
    parts += [f"≤ {high}" if high is not None else "", f"< {below}" if below is not None else ""]
    text = ", ".join(part for part in parts if part)
    return f" ({text})" if text else ""


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
