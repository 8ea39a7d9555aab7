"""The inputs of a run, as the command line gives them: ``--input k=v`` and ``--inputs-file``."""

from collections.abc import Iterable, Mapping
from typing import Any

from agentflow.entrypoints.cli.exits import CliError
from agentflow.kit import json

_TEXT = frozenset({"string"})


def parse_inputs(pairs: Iterable[str], schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Turn ``k=v`` and ``k:=json`` into inputs.

    After ``k:=`` stands JSON. After ``k=`` stands text when the input schema says that ``k`` is text; anything else is taken
    as JSON when it reads as JSON and as text when it does not, so that ``limit=5`` is a number and ``name=Ada`` is not.

    Raises:
        CliError: a pair has no ``=``, no name, or broken JSON after ``:=``.
    """
    properties = (schema or {}).get("properties")
    types = properties if isinstance(properties, Mapping) else {}
    inputs: dict[str, Any] = {}
    for pair in pairs:
        name, value = _parse_pair(pair, types)
        inputs[name] = value
    return inputs


def _parse_pair(pair: str, types: Mapping[str, Any]) -> tuple[str, Any]:
    name, equals, text = pair.partition("=")
    explicit = name.endswith(":")
    name = name.removesuffix(":").strip()
    if not equals or not name:
        raise CliError(f"--input {pair} is not of the form name=value.", hint="Write --input question='What is a lease?'")
    if explicit:
        try:
            return name, json.loads(text)
        except json.InvalidJson as error:
            raise CliError(f"--input {name}:= is not followed by JSON: {error}") from error
    return name, text if _is_text(types.get(name)) else _value(text)


def _is_text(schema: Any) -> bool:
    declared = schema.get("type") if isinstance(schema, Mapping) else None
    return declared in _TEXT if isinstance(declared, str) else False


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.InvalidJson:
        return text
