"""Finding the ``:name`` markers of SQL text. Values never enter the text: each marker becomes the driver's own."""

import re
from collections.abc import Mapping
from typing import Any

from agentflow.errors import NodeError
from agentflow.sources.databases.base import Dialect

_NAME = r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
# Text in which a colon means nothing, by dialect. Where a server might see less text than we do, a marker is left alone and the
# server complains; a value is never put where it would be read as SQL, for all drivers bind values apart from the text.
# What is never closed reaches to the end, so that the search stays linear in the length of the text.
_COMMENTS = r"--[^\n]*|/\*.*?(?:\*/|\Z)"
_PLAIN = rf"'(?:[^']|'')*+(?:'|\Z)|\"(?:[^\"]|\"\")*+(?:\"|\Z)|{_COMMENTS}"
_ESCAPED = r"'(?:[^'\\]|''|\\.)*+(?:'|\Z)"
_QUIET: Mapping[Dialect, str] = {
    "sqlite": rf"{_PLAIN}|`[^`]*`?|\[[^\]]*\]?",
    "postgresql": rf"\b[eE]{_ESCAPED}|{_PLAIN}|(?P<tag>\$(?:[A-Za-z_][A-Za-z0-9_]*)?\$).*?(?:(?P=tag)|\Z)",
    "mysql": rf"{_ESCAPED}|\"(?:[^\"\\]|\"\"|\\.)*+(?:\"|\Z)|`[^`]*`?|\#[^\n]*|{_COMMENTS}",
}
_PATTERNS: Mapping[Dialect, re.Pattern[str]] = {
    dialect: re.compile(rf"(?:{quiet})|::|:=|:{_NAME}", re.DOTALL) for dialect, quiet in _QUIET.items()
}


def translate(sql: str, params: Mapping[str, Any], dialect: Dialect) -> tuple[str, list[Any]]:
    """Return SQL with the driver's markers, and the values in their order.

    Raises:
        NodeError: ``DB_QUERY`` when a marker has no value or a value no marker.
    """
    order: list[str] = []
    places: dict[str, int] = {}

    def marker(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return found[0]
        if name not in params:
            raise _mismatch(f"The SQL uses :{name}, which params does not give")
        if dialect == "postgresql":
            if name not in places:
                places[name] = len(order) + 1
                order.append(name)
            return f"${places[name]}"
        order.append(name)
        return "?"

    text = _PATTERNS[dialect].sub(marker, sql)
    unused = sorted(set(params) - set(order))
    if unused:
        raise _mismatch(f"params gives {unused[0]}, which the SQL does not use")
    return text, [params[name] for name in order]


def quoted(identifier: str, dialect: Dialect) -> str:
    """Return an identifier as SQL writes any name, whatever is in it.

    Raises:
        NodeError: ``DB_QUERY`` when no database can have such a name.
    """
    if not identifier or "\0" in identifier:
        raise _mismatch("A name of a table or column is empty or holds NUL")
    # SQLite takes an unknown name in double quotes for a text; in backquotes it is a mistake, as it should be.
    mark = '"' if dialect == "postgresql" else "`"
    return mark + identifier.replace(mark, mark * 2) + mark


def _mismatch(reason: str) -> NodeError:
    return NodeError(f"{reason}.", error_code="DB_QUERY", hint="Write :name in the SQL for each name in params.")
