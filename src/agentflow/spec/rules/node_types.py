"""UNKNOWN_NODE_TYPE and INVALID_CONFIG: what a node is, and whether its config fits that."""

from collections.abc import Iterable, Mapping
from typing import Any

from agentflow.kit.json import pointer
from agentflow.spec.draft import Draft
from agentflow.spec.problems import Code, Problem
from agentflow.spec.rules.names import suggestion
from agentflow.spec.schemas import Structure


def known_types(draft: Draft) -> Iterable[Problem]:
    """Check that every node's type is installed."""
    for item in draft.nodes:
        if item.kind is None:
            hint = suggestion(item.node.type, draft.catalog.names())
            yield Problem(Code.UNKNOWN_NODE_TYPE, f"There is no node type {item.node.type}.", f"{item.path}/type", item.node.id, hint)


def configs(draft: Draft) -> Iterable[Problem]:
    """Check that every config fits its node type; where an expression stands, only its result could tell."""
    expressions = {text.path for text in draft.texts if text.is_expression}
    for item in draft.nodes:
        for problem in item.kind.check_config(item.node.config) if item.kind else ():
            if pointer(f"{item.path}/config", *problem.path) in expressions:
                continue
            path = pointer(f"{item.path}/config", *problem.path)
            hint = None
            if item.kind and problem.message.startswith("Extra inputs"):
                hint = _field_hint(item.kind.config_schema, problem.path)
            message = f"There is no setting `{problem.path[-1]}` here" if hint else problem.message
            yield Problem(Code.INVALID_CONFIG, message.rstrip(".") + ".", path, item.node.id, hint)


def _field_hint(schema: Mapping[str, Any], place: tuple[str | int, ...]) -> str | None:
    structure: Structure = Structure(schema)
    current: Any = schema
    for part in place[:-1]:
        current = structure.step(current, part) or {}
    return suggestion(str(place[-1]), structure.names(current)) if place else None


def input_schema(draft: Draft) -> Iterable[Problem]:
    """Check that ``inputs`` is a JSON Schema, complete in itself."""
    import jsonschema_rs

    if not draft.inputs:
        return
    try:
        jsonschema_rs.validator_for(dict(draft.inputs), retriever=_no_references)
    except jsonschema_rs.ValidationError as error:
        path = pointer("/inputs", *error.instance_path)
        yield Problem(
            Code.SCHEMA, f"`inputs` is not a valid JSON Schema: {error.message}.", path, hint="See json-schema.org, draft 2020-12."
        )
    except (ValueError, RecursionError) as error:
        yield Problem(Code.SCHEMA, f"`inputs` is not a usable JSON Schema: {error}.", "/inputs", hint="References stay within #/$defs.")


def _no_references(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched")
