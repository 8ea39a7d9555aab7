"""Filters and methods over text; each pays for what it reads and makes before it makes it."""

from typing import Any
from urllib.parse import quote, urlencode

from agentflow.kit import json
from agentflow.spec.expressions.budget import Budget
from agentflow.spec.expressions.errors import ExpressionError
from agentflow.spec.expressions.values import describe, number, text

MAX_INDENT = 200
MAX_NUMBER_LENGTH = 100
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def need_text(value: Any, what: str) -> str:
    """Return ``value`` if it is text.

    Raises:
        ExpressionError: ``runtime``.
    """
    if not isinstance(value, str):
        raise ExpressionError(f"{what} needs text, not {describe(value)}")
    return value


def need_int(value: Any, what: str) -> int:
    """Return ``value`` if it is an integer; see ``need_text``."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ExpressionError(f"{what} needs an integer, not {describe(value)}")
    return value


def upper(budget: Budget, value: Any) -> str:
    """Return text in capitals."""
    source = _read(budget, value)
    return source.upper()


def lower(budget: Budget, value: Any) -> str:
    """Return text in small letters."""
    return _read(budget, value).lower()


def capitalize(budget: Budget, value: Any) -> str:
    """Return text with its first letter as capital, the rest small."""
    return _read(budget, value).capitalize()


def title(budget: Budget, value: Any) -> str:
    """Return text with every word's first letter as capital."""
    return _read(budget, value).title()


def trim(budget: Budget, value: Any, chars: Any = None) -> str:
    """Return text without white space, or ``chars``, at both ends."""
    return _read(budget, value).strip(_chars(chars))


def lstrip(budget: Budget, value: Any, chars: Any = None) -> str:
    """Return text without white space, or ``chars``, at its begin."""
    return _read(budget, value).lstrip(_chars(chars))


def rstrip(budget: Budget, value: Any, chars: Any = None) -> str:
    """Return text without white space, or ``chars``, at its end."""
    return _read(budget, value).rstrip(_chars(chars))


def replace(budget: Budget, value: Any, old: Any, new: Any, count: Any = None) -> str:
    """Return text with ``old`` replaced by ``new``, everywhere or the first ``count`` times."""
    source, part, other = _read(budget, value), need_text(old, "replace"), text(new, budget)
    limit = -1 if count is None else need_int(count, "replace")
    if not part:
        raise ExpressionError("replace needs something to look for")
    times = source.count(part) if limit < 0 else min(source.count(part), limit)
    budget.text(len(source) + max(times * (len(other) - len(part)), 0))
    return source.replace(part, other, limit)


def split(budget: Budget, value: Any, separator: Any = None, maxsplit: Any = -1) -> list[str]:
    """Return the parts of text between separators; between white space when none is named."""
    source = _read(budget, value)
    if separator is not None and not need_text(separator, "split"):
        raise ExpressionError("split needs a separator that is not empty")
    limit = need_int(maxsplit, "split")
    pieces = source.split(separator, min(limit, budget.fuel + 1) if limit >= 0 else budget.fuel + 1)
    budget.spend(len(pieces))
    return pieces


def lines(budget: Budget, value: Any) -> list[str]:
    """Return the lines of text."""
    source = _read(budget, value)
    budget.spend(sum(map(source.count, _LINE_ENDS)))
    return source.splitlines()


def wordcount(budget: Budget, value: Any) -> int:
    """Return how many words text has."""
    return len(split(budget, value))


def truncate(budget: Budget, value: Any, length: Any = 255, killwords: Any = False, end: Any = "...", leeway: Any = 5) -> str:
    """Return text cut to ``length`` characters, ``end`` included, at a word unless ``killwords``; not for ``leeway`` characters more."""
    source, limit, mark = _read(budget, value), need_int(length, "truncate"), need_text(end, "truncate")
    if len(source) <= limit + need_int(leeway, "truncate"):
        return source
    cut = source[: max(limit - len(mark), 0)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + mark


def indent(budget: Budget, value: Any, width: Any = 4, first: Any = False, blank: Any = False) -> str:
    """Return text with every line but the first moved right by ``width`` spaces."""
    source, count = _read(budget, value), need_int(width, "indent")
    if not 0 <= count <= MAX_INDENT:
        raise ExpressionError(f"indent needs a width from 0 to {MAX_INDENT}")
    rows = source.split("\n")
    budget.text(len(source) + len(rows) * count)
    pad = " " * count
    moved = [pad + row if (number or first) and (blank or row) else row for number, row in enumerate(rows)]
    return "\n".join(moved)


def string(budget: Budget, value: Any) -> str:
    """Return any value as text."""
    return text(value, budget)


def tojson(budget: Budget, value: Any) -> str:
    """Return any value as JSON text."""
    budget.weigh(value)
    try:
        result = json.dumps(value)
    except json.InvalidJson as error:
        raise ExpressionError(f"the value cannot be written as JSON: {error}") from error
    budget.text(len(result))
    return result


def escape(budget: Budget, value: Any) -> str:
    """Return text that is safe inside HTML."""
    source = text(value, budget)
    budget.text(len(source) * 6)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        source = source.replace(character, entity)
    return source


def url_encode(budget: Budget, value: Any) -> str:
    """Return text, or an object as a query string, encoded for a URL."""
    if isinstance(value, dict):
        pairs = [(key, text(part, budget)) for key, part in value.items()]
        budget.text(sum(len(key) + len(part) for key, part in pairs) * 12)
        return urlencode(pairs, errors="replace")
    source = text(value, budget)
    budget.text(len(source) * 12)
    return quote(source, safe="/", errors="replace")


def to_int(_budget: Budget, value: Any, default: Any = None) -> Any:
    """Return a number or numeric text as an integer; ``default``, or an error, when it is neither."""
    return _convert(value, int, default)


def to_float(_budget: Budget, value: Any, default: Any = None) -> Any:
    """Return a number or numeric text as a number; ``default``, or an error, when it is neither."""
    return _convert(value, float, default)


def starts_with(budget: Budget, value: Any, prefix: Any) -> bool:
    """Tell whether text begins with ``prefix``."""
    return _read(budget, value).startswith(need_text(prefix, "startswith"))


def ends_with(budget: Budget, value: Any, suffix: Any) -> bool:
    """Tell whether text ends with ``suffix``."""
    return _read(budget, value).endswith(need_text(suffix, "endswith"))


def find(budget: Budget, value: Any, part: Any) -> int:
    """Return where ``part`` begins in text; -1 when it is not there."""
    return _read(budget, value).find(need_text(part, "find"))


def count_text(budget: Budget, value: Any, part: Any) -> int:
    """Return how often ``part`` occurs in text."""
    return _read(budget, value).count(need_text(part, "count"))


def _read(budget: Budget, value: Any) -> str:
    source = text(value, budget)
    budget.text(len(source))
    return source


def _chars(chars: Any) -> str | None:
    return None if chars is None else need_text(chars, "trim")[:MAX_NUMBER_LENGTH]


def _convert(value: Any, kind: type[int] | type[float], default: Any) -> Any:
    if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= MAX_NUMBER_LENGTH):
        try:
            return number(kind(value))
        except (ValueError, OverflowError):
            pass
    if default is None:
        raise ExpressionError(f"{describe(value)} cannot be read as a number")
    return default
