"""JSON in and out, with the checks that keep what we accept storable and printable everywhere."""

import math
import re
from typing import Any, TypeAlias

import orjson

JsonValue: TypeAlias = Any
"""A value that JSON can hold: None, bool, int, float, str, list or dict with string keys."""


class InvalidJson(ValueError):
    """The text is not JSON that can be kept; ``path`` is the JSON Pointer of the offending value."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


def loads(data: bytes | str, *, max_depth: int = 100, unique: bool = False) -> JsonValue:
    """Parse strict JSON.

    NaN, infinities, lone surrogates, NUL characters and nesting beyond ``max_depth`` levels are refused: PostgreSQL
    cannot store the middle two and Python cannot walk the last. With ``unique`` an object that names a field twice is refused too:
    readers differ in which of the two they take.

    Raises:
        InvalidJson: the text is malformed or holds such a value.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(str(error)) from error
    fields = check(value, max_depth=max_depth)
    if unique and _names_in(data, at_least=fields) != fields:
        raise InvalidJson("an object names a field twice")
    return value


def _names_in(data: bytes | str, at_least: int) -> int:
    """Return how many fields the objects of a valid text name."""
    text = data.encode() if isinstance(data, str) else data
    # As most write it, a name ends in ":. Within a text a quote has its backslash, so there are never fewer of these than names.
    if text.count(b'":') == at_least and not _SPACED.search(text):
        return at_least
    return _TEXTS.sub(b"", text).count(b":")


_SPACED = re.compile(rb'"[ \t\r\n]+:')
_TEXTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_WIDEST = 2_000_000
"""Values on one level that are looked at together; what is wider holds others many times, or is larger than any body may be."""


def check(value: JsonValue, *, max_depth: int = 100) -> int:
    """Raise InvalidJson unless ``value`` can be stored; returns how many fields its objects have."""
    fields = _fields(value, max_depth)
    return _walk(value, max_depth) if fields is None else fields


def _fields(value: JsonValue, max_depth: int) -> int | None:
    """Return how many fields the objects of a value have, or None when it may not be stored.

    Walks level by level and keeps no paths: every body that comes in is looked through here. A level that is too wide is left to the other
    walk: a value that holds another one many times, over many levels, is deep before it is wide to that one.
    """
    fields, level = 0, [value]
    for depth in range(max_depth + 1):
        texts: list[str] = []
        below: list[JsonValue] = []
        for item in level:
            if isinstance(item, str):
                texts.append(item)
            elif isinstance(item, dict | list):
                if depth == max_depth:
                    return None
                if isinstance(item, dict):
                    fields += len(item)
                    texts.extend(item)
                    below.extend(item.values())
                else:
                    below.extend(item)
            elif isinstance(item, float) and not math.isfinite(item):
                return None
        if not _is_storable("".join(texts)):
            return None
        level = below
        if not 0 < len(level) <= _WIDEST:
            break
    return None if level else fields


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _walk(value: JsonValue, max_depth: int) -> int:
    """Find what is wrong with a value and where, or return how many fields it has; its own stack is not exhausted by depth."""
    fields = 0
    stack: list[tuple[JsonValue, str, int]] = [(value, "", 0)]
    while stack:
        item, path, depth = stack.pop()
        if isinstance(item, str):
            _check_text(item, path)
        elif isinstance(item, dict | list):
            if depth >= max_depth:
                raise InvalidJson(f"nested deeper than {max_depth} levels", path)
            fields += len(item) if isinstance(item, dict) else 0
            stack.extend(_children(item, path, depth + 1))
        elif isinstance(item, float) and not math.isfinite(item):
            raise InvalidJson("NaN and infinity are not JSON", path)
    return fields


def _children(item: dict[str, JsonValue] | list[JsonValue], path: str, depth: int) -> list[tuple[JsonValue, str, int]]:
    if isinstance(item, list):
        return [(child, f"{path}/{index}", depth) for index, child in enumerate(item) if isinstance(child, str | dict | list | float)]
    children: list[tuple[JsonValue, str, int]] = []
    for key, child in item.items():
        _check_text(key, path)
        if isinstance(child, str | dict | list | float):
            children.append((child, pointer(path, key), depth))
    return children


def _check_text(text: str, path: str) -> None:
    if text.isascii():
        if "\0" in text:
            raise InvalidJson("text must not contain NUL", path)
        return
    if "\0" in text:
        raise InvalidJson("text must not contain NUL", path)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidJson("text contains a lone surrogate", path) from error


def pointer(base: str, *parts: str | int) -> str:
    """Extend the JSON Pointer (RFC 6901) ``base`` by ``parts``."""
    return base + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def dumps(value: JsonValue) -> str:
    """Return compact JSON text.

    Raises:
        InvalidJson: the value holds something that JSON cannot (a NaN becomes null, as in JavaScript).
    """
    return dump_bytes(value).decode()


def dump_bytes(value: JsonValue) -> bytes:
    """Return compact JSON as UTF-8; see ``dumps``."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise InvalidJson(str(error)) from error


def canonical(value: JsonValue) -> bytes:
    """Return JSON with sorted keys, equal for equal values: what hashes are taken of."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise InvalidJson(str(error)) from error
