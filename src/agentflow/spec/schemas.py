"""Following a path through a JSON Schema, as far as the schema says anything; whatever it leaves open is ``{}``."""

from collections.abc import Iterable, Mapping
from typing import Any

Schema = Mapping[str, Any]

OPEN: Schema = {}
"""The schema that says nothing."""

_TEXT: Schema = {"type": "string"}
_MAX_HOPS = 32


class Structure:
    """A JSON Schema with its definitions, read-only; malformed parts count as saying nothing."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        definitions = root.get("$defs") if isinstance(root, Mapping) else None
        self._definitions: Mapping[str, Any] = definitions if isinstance(definitions, Mapping) else {}

    def step(self, schema: Any, part: str | int | None, hops: int = _MAX_HOPS) -> Schema | None:
        """Return the schema of a field or an item (None: of each item); None when there can be no such thing."""
        schema = self._resolve(schema)
        if hops <= 0 or not schema:
            return OPEN
        options = self._options(schema)
        if options is not None:
            return self._any(self.step(option, part, hops - 1) for option in options)
        if isinstance(schema.get("allOf"), list):
            return OPEN
        return self._field(schema, part) if isinstance(part, str) else self._item(schema, part)

    def types(self, schema: Any, hops: int = _MAX_HOPS) -> frozenset[str] | None:
        """Return the JSON types a schema allows; None when it leaves them open."""
        schema = self._resolve(schema)
        if hops <= 0 or not schema:
            return None
        options = self._options(schema)
        if options is not None:
            found = [self.types(option, hops - 1) for option in options]
            return None if any(types is None for types in found) else frozenset().union(*(types or () for types in found))
        declared = schema.get("type")
        if isinstance(declared, str):
            return frozenset({declared})
        if isinstance(declared, list) and declared and all(isinstance(name, str) for name in declared):
            return frozenset(declared)
        return None

    def names(self, schema: Any) -> list[str]:
        """Return the names of the fields that a schema declares."""
        schema = self._resolve(schema)
        properties = schema.get("properties")
        own = [name for name in properties if isinstance(name, str)] if isinstance(properties, Mapping) else []
        return own + [name for option in self._options(schema) or () for name in self.names(option)]

    def _resolve(self, schema: Any) -> Schema:
        for _ in range(_MAX_HOPS):
            if not isinstance(schema, Mapping):
                return OPEN
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            if not reference.startswith("#/$defs/"):
                return OPEN
            schema = self._definitions.get(reference.removeprefix("#/$defs/"))
        return OPEN

    @staticmethod
    def _options(schema: Schema) -> list[Any] | None:
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                options: list[Any] = schema[keyword]
                return [option for option in options if not isinstance(option, Mapping) or option.get("type") != "null"] or None
        return None

    @staticmethod
    def _any(found: Iterable[Schema | None]) -> Schema | None:
        possible = [schema for schema in found if schema is not None]
        if not possible:
            return None
        return possible[0] if len(possible) == 1 else OPEN if any(not schema for schema in possible) else {"anyOf": possible}

    def _field(self, schema: Schema, name: str) -> Schema | None:
        if not _may_be(schema, "object"):
            return None
        properties, others = schema.get("properties"), schema.get("additionalProperties")
        if isinstance(properties, Mapping) and name in properties:
            return _schema(properties[name])
        if isinstance(others, Mapping) or others is True or "patternProperties" in schema:
            return _schema(others)
        return None if others is False or (isinstance(properties, Mapping) and properties) else OPEN

    def _item(self, schema: Schema, index: int | None) -> Schema | None:
        if _may_be(schema, "array"):
            prefix = schema.get("prefixItems")
            if isinstance(prefix, list) and index is not None and 0 <= index < len(prefix):
                return _schema(prefix[index])
            return OPEN if isinstance(prefix, list) else _schema(schema.get("items"))
        if _may_be(schema, "string") or (index is None and _may_be(schema, "object")):
            return _TEXT
        return None


def _may_be(schema: Schema, name: str) -> bool:
    declared = schema.get("type")
    if isinstance(declared, str):
        return declared == name
    return name in declared if isinstance(declared, list) else True


def _schema(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else OPEN


def overlap(actual: frozenset[str], expected: frozenset[str]) -> bool:
    """Tell whether a value of the actual types can be of an expected one; null is left to run time, and numbers may be whole."""
    known = {"integer", "number"}
    left, right = actual - {"null"}, expected - {"null"}
    return not left or not right or bool(left & right) or (bool(left & known) and bool(right & known))
