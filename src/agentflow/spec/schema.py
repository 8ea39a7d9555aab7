"""The JSON Schema of a specification, from which editors complete: the model's own, with the config of every node type."""

import copy
from collections.abc import Mapping
from typing import Any

from agentflow.spec.catalog import NodeCatalog
from agentflow.spec.model import WorkflowSpec

SCHEMA_ID = "urn:agentflow:spec:1"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE: Mapping[str, Any] = {"type": "string", "pattern": r"\{[\{%]", "description": "A template that gives the value."}
_PREFIX = "config"


def spec_json_schema(catalog: NodeCatalog) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a workflow specification for the node types of this installation.

    A node's ``type`` decides what its ``config`` may hold (``if``/``then``). Where a config takes anything but text, a template that
    gives it is accepted too.
    """
    schema = WorkflowSpec.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema["$defs"]
    for model in (schema, *definitions.values()):
        _describe(model, definitions)
    node = definitions["Node"]
    node["properties"]["type"]["anyOf"] = [{"enum": list(catalog.names())}, {"type": "string"}]
    node["allOf"] = [_branch(catalog, name, definitions) for name in catalog.names()]
    return {"$schema": _DIALECT, "$id": SCHEMA_ID, **schema}


def _describe(model: dict[str, Any], definitions: Mapping[str, Any]) -> None:
    """Give a field that only refers to a model the model's description, which the generator leaves out when both are the same."""
    for field in model.get("properties", {}).values():
        if "description" not in field and "$ref" in field:
            field["description"] = definitions[field["$ref"].rsplit("/", 1)[-1]]["description"]


def _branch(catalog: NodeCatalog, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    kind = catalog.find(name)
    own = copy.deepcopy(dict(kind.config_schema)) if kind else {}
    for local, definition in own.pop("$defs", {}).items():
        definitions[f"{_PREFIX}.{name}.{local}"] = _templated(_renamed(definition, name), is_root=True)
    definitions[f"{_PREFIX}.{name}"] = _templated(_renamed(own, name), is_root=True)
    return {
        "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
        "then": {"properties": {"config": {"$ref": f"#/$defs/{_PREFIX}.{name}"}}},
    }


def _renamed(schema: Any, name: str) -> Any:
    """Point the references of a config schema to its definitions' new names."""
    if isinstance(schema, list):
        return [_renamed(item, name) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/$defs/", f"#/$defs/{_PREFIX}.{name}.") if key == "$ref" and isinstance(value, str) else _renamed(value, name)
        for key, value in schema.items()
    }


def _templated(schema: Any, *, is_root: bool = False) -> Any:
    """Let a template stand wherever a value stands; descriptions and examples stay where editors look for them."""
    if not isinstance(schema, dict):
        return schema
    result = dict(schema)
    if isinstance(result.get("properties"), dict):
        result["properties"] = {key: _templated(value) for key, value in result["properties"].items()}
    for keyword in ("items", "additionalProperties"):
        if isinstance(result.get(keyword), dict):
            result[keyword] = _templated(result[keyword])
    for keyword in ("anyOf", "oneOf"):
        if isinstance(result.get(keyword), list):
            result[keyword] = [_templated(option, is_root=True) for option in result[keyword]]
    if is_root or not _is_bounded(result):
        return result
    outside = {key: result.pop(key) for key in ("title", "description", "examples", "default") if key in result}
    return {**outside, "anyOf": [result, dict(_TEMPLATE)]}


def _is_bounded(schema: Mapping[str, Any]) -> bool:
    """Tell whether a schema refuses some text."""
    return schema.get("type") != "string" or bool({"pattern", "enum", "format", "maxLength", "minLength"} & set(schema))
