"""docs/reference/node-types.md."""

import json
from collections.abc import Mapping
from typing import Any

from agentflow.nodes.base import NodeType
from agentflow.nodes.builtin import builtin_registry
from agentflow.spec.effects import EffectClass
from scripts.reference.text import code, member_docs, page, schema_rows, table


def render() -> str:
    """Return the page."""
    types = builtin_registry().all()
    effects = member_docs(EffectClass)
    return page(
        "Node types",
        "What a workflow is made of. Strings in a config are templates; fields marked *expression* are bare expressions and fields marked "
        "*as is* are never rendered. Plugins add more: see [how to add a node type](../how-to/add-a-node-type.md).",
        table(("type", "category", "does"), ([f"[`{t.type}`](#{t.type.replace('_', '_')})", t.category, t.description] for t in types)),
        "## Effect classes\n\nWhat happens to a node when its process dies in the middle of it.\n\n"
        + table(("class", "after a crash"), ([code(name), text] for name, text in effects.items())),
        *(_section(node_type) for node_type in types),
    )


def _section(node_type: NodeType[Any]) -> str:
    output = node_type.output_schema(dict(node_type.example.get("config", {})))
    facts = [f"Effect: `{node_type.effect_class.value}`."]
    if node_type.source_kinds:
        facts.append(f"Source: {', '.join(code(kind) for kind in sorted(node_type.source_kinds))}.")
    parts = [
        f"## {node_type.type}",
        f"{node_type.description} {' '.join(facts)}",
        "### Config\n\n" + (_config(node_type.config_schema) or "None."),
        "### Output\n\n" + _output(output),
        f"### Example\n\n```json\n{json.dumps(dict(node_type.example), indent=2, ensure_ascii=False)}\n```",
    ]
    # The headings of every type would otherwise be the same.
    return "\n\n".join(part.replace("### ", f"### {node_type.type}: ", 1) for part in parts)


def _config(schema: Mapping[str, Any]) -> str:
    rows = schema_rows(schema)
    for row, part in zip(rows, schema.get("properties", {}).values(), strict=True):
        row[3] += " *(expression)*" if part.get("x-expression") else " *(as is)*" if part.get("x-raw") else ""
    tables = [table(("field", "type", "default", "meaning"), rows)] if rows else []
    for name, part in schema.get("$defs", {}).items():
        inner = schema_rows(part)
        if inner:
            tables.append(
                f"`{name}`: {' '.join(part.get('description', '').split())}\n\n" + table(("field", "type", "default", "meaning"), inner)
            )
    return "\n\n".join(tables)


def _output(schema: Mapping[str, Any]) -> str:
    rows = [[name, kind, text] for name, kind, _, text in schema_rows(schema)]
    return table(("field", "type", "meaning"), rows) if rows else "Depends on the config."
