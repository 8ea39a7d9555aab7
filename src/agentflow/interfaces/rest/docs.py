"""The API's own description: the OpenAPI document, and a page that people read. Nothing is loaded from elsewhere."""

import base64
import hashlib
from html import escape
from typing import Any

from fastapi import Request, Response

from agentflow.endpoints.answers import encode
from agentflow.endpoints.requests import slice_router
from agentflow.interfaces.rest.openapi import document

router = slice_router("", "system")

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; background: #fff; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 3rem; border-bottom: 1px solid #d5dbe3; } h3 { margin: 2rem 0 .25rem; font-size: 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; } pre { background: #f4f6f9; padding: .75rem; overflow-x: auto; }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700; color: #0b5cad; }
table { border-collapse: collapse; } td { padding: .15rem 1rem .15rem 0; vertical-align: top; } nav a { margin-right: 1rem; }
@media (prefers-color-scheme: dark) { body { color: #e4e9f0; background: #12161c; } pre { background: #1c222b; } .method { color: #6db3ff; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def _document(request: Request) -> dict[str, Any]:
    state = request.app.state
    if not hasattr(state, "openapi"):
        state.openapi = document(request.app)
    found: dict[str, Any] = state.openapi
    return found


@router.get(
    "/api/v1/openapi.json",
    operation_id="get_openapi",
    summary="This document",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}, "example": {"openapi": "3.1.0"}}}}},
)
async def get_openapi(request: Request) -> Response:
    """Return the OpenAPI description of this API."""
    return Response(encode(_document(request)), media_type="application/json")


@router.get("/docs", include_in_schema=False)
async def get_docs(request: Request) -> Response:
    """Return the API's description as a page."""
    return Response(_page(_document(request)), media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def _page(api: dict[str, Any]) -> str:
    groups: dict[str, list[str]] = {tag["name"]: [] for tag in api["tags"]}
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            groups[operation["tags"][0]].append(_operation(method.upper(), path, operation))
    anchors = " ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name, items in groups.items() if items)
    sections = "".join(f'<h2 id="{escape(name)}">{escape(name)}</h2>{"".join(items)}' for name, items in groups.items() if items)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(api["info"]["title"])} API</title><style>{_STYLE}</style>'
    intro = f"<h1>{escape(api['info']['title'])} {escape(api['info']['version'])}</h1><p>{escape(api['info']['description'])}</p>"
    machine = '<p>For machines: <a href="/api/v1/openapi.json">openapi.json</a></p>'
    return f"{head}<body>{intro}{machine}<nav>{anchors}</nav>{sections}</body></html>"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    title = f'<h3 id="{escape(operation["operationId"])}"><span class="method">{method}</span> <code>{escape(path)}</code></h3>'
    parameters = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td><td>{escape(item.get('description', ''))}</td></tr>"
        for item in operation.get("parameters", ())
    )
    table = f"<table>{parameters}</table>" if parameters else ""
    body = "".join(_example("Body", content) for content in operation.get("requestBody", {}).get("content", {}).values())
    answers = "".join(
        _example(status, content)
        for status, answer in operation["responses"].items()
        if status.startswith("2")
        for content in answer.get("content", {}).values()
    )
    return f"{title}<p>{escape(operation.get('description') or operation['summary'])}</p>{table}{body}{answers}"


def _example(name: str, content: dict[str, Any]) -> str:
    import json

    value = content.get("example")
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return f"<p>{escape(name)}</p><pre>{escape(text)}</pre>"
