"""docs/reference/http.md."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from agentflow.config.settings import Settings
from agentflow.interfaces.rest.app import create_app
from agentflow.interfaces.rest.openapi import document
from scripts.reference.text import code, page, table

_CONTAINER = SimpleNamespace(
    settings=Settings(), identity=SimpleNamespace(traffic=SimpleNamespace(routes={})), runs=SimpleNamespace(overload=None)
)
"""All that an application asks of its container before the first request."""
METHODS = ("get", "post", "put", "patch", "delete")


def render() -> str:
    """Return the page."""
    by_tag: dict[str, list[list[str]]] = {}
    for tag, row in operations(document(create_app(_CONTAINER))):
        by_tag.setdefault(tag, []).append(row)
    return page(
        "HTTP interface",
        "The server describes itself in full at `/api/v1/openapi.json`, with schemas and examples; `/docs` shows it in a browser. Credentials are "
        "`Authorization: Bearer KEY` or `X-API-Key: KEY`. Errors are listed [here](errors.md).",
        *(f"## {tag}\n\n" + table(("operation", "does"), rows) for tag, rows in by_tag.items()),
    )


def operations(document: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Yield tag and row of every operation, in the order of the document."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                yield (operation.get("tags") or ["Other"])[0], [code(f"{method.upper()} {path}"), operation.get("summary", "")]
