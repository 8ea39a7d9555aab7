"""docs/reference/spec.md."""

from typing import Any

from agentflow.spec.model import WorkflowSpec
from scripts.reference.text import page, schema_rows, table


def render() -> str:
    """Return the page."""
    schema = WorkflowSpec.model_json_schema()
    parts = [_section("WorkflowSpec", schema)]
    parts += [_section(name, part) for name, part in schema["$defs"].items() if part.get("properties")]
    return page(
        "Specification",
        "A workflow is one JSON document. This page lists every field; [how to write a spec](../how-to/write-a-spec.md) explains them. "
        "`GET /api/v1/spec/schema` serves the same as JSON Schema 2020-12, with the config of every installed node type.",
        *parts,
    )


def _section(name: str, schema: dict[str, Any]) -> str:
    return f"## {name}\n\n{schema.get('description', '')}\n\n" + table(("field", "type", "default", "meaning"), schema_rows(schema))
