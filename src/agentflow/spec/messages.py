"""What the model's complaints are called for people, and where they point in the document."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from agentflow.kit.json import JsonValue, pointer
from agentflow.spec.expressions.values import nearest
from agentflow.spec.problems import Code, Problem

_WORDS = {
    "string_type": "must be text",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def schema_problems(document: JsonValue, error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return a problem for each place the model complains about; of several about one value the first."""
    found: dict[str, Problem] = {}
    for detail in error.errors(include_url=False, include_input=False):
        location = detail["loc"]
        place = _place(document, location, is_missing=detail["type"] == "missing")
        path = pointer("", *place)
        message, hint = _words(detail, location, model)
        known = found.get(path)
        if known is None:
            found[path] = Problem(Code.SCHEMA, message, path, _node_id(document, place), hint)
        elif len(place) < len(location) and message not in known.message:
            found[path] = Problem(Code.SCHEMA, f"{known.message} Or: {message}", path, known.node_id, known.hint)
    return list(found.values())


def _words(detail: Any, location: tuple[str | int, ...], model: type[BaseModel]) -> tuple[str, str | None]:
    name = next((str(part) for part in reversed(location) if isinstance(part, str)), "document")
    kind = detail["type"]
    if kind == "extra_forbidden":
        near = nearest(name, field_names(model, location[:-1]))
        return f"There is no field `{name}` here.", f"Did you mean `{near}`?" if near else "Remove it."
    if kind == "missing":
        return f"The field `{name}` is required.", f"Add `{name}`."
    if kind == "string_pattern_mismatch":
        return "The text is not a valid id.", "An id begins with a small letter, then small letters, digits, _ and -, 63 at most."
    if kind == "literal_error":
        return f"Must be {detail['ctx']['expected']}.", None
    if kind in _WORDS:
        return f"`{name}` {_WORDS[kind]}.", None
    return str(detail["msg"]).rstrip(".") + ".", None


def field_names(model: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    """Return the names of the fields at a place of the document."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, str) and current is not None:
            current = _child(current, part)
    return [] if current is None else [info.alias or name for name, info in current.model_fields.items()]


def _child(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    for field_name, info in model.model_fields.items():
        if name in {field_name, info.alias}:
            return _model_in(info.annotation)
    return None


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    arguments = getattr(annotation, "__args__", ())
    return next((found for argument in arguments if (found := _model_in(argument)) is not None), None)


def _place(document: JsonValue, location: tuple[str | int, ...], *, is_missing: bool) -> tuple[str | int, ...]:
    """Keep of a location what leads through the document: it also names the members of unions, and the missing field itself."""
    value, place = document, []
    for index, part in enumerate(location):
        if isinstance(value, Mapping) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif is_missing and isinstance(value, Mapping) and index == len(location) - 1:
            place.append(part)
            break
        else:
            continue
        place.append(part)
    return tuple(place)


def _node_id(document: JsonValue, place: tuple[str | int, ...]) -> str | None:
    if len(place) > 1 and place[0] == "nodes" and isinstance(place[1], int):
        node = document["nodes"][place[1]]
        if isinstance(node, Mapping) and isinstance(node.get("id"), str):
            return str(node["id"])
    return None
