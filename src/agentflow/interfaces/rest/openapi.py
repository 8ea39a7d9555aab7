"""The OpenAPI document: the framework's, with our errors, credentials and an example for every answer."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from agentflow.interfaces.rest.problems import MEDIA_TYPE, Problem

_CREDENTIAL = frozenset({"login", "get_token", "refresh", "reset_password", "verify_email", "redeem_link"})
"""Operations whose body or query is itself the credential."""
_SHOWN = frozenset({"open_workflow_link", "get_public_workflow"})
"""Open operations that show what somebody has shared."""
OPEN = (
    frozenset(
        {"get_liveness", "get_readiness", "get_openapi", "get_jwks", "register", "enter_as_guest", "forgot_password", "download_artifact"}
    )
    | _CREDENTIAL
    | _SHOWN
)
"""Operations that need no credential."""

_BY_POLICY = frozenset({"register", "enter_as_guest"})
"""Open operations that the settings can close."""
_STATEFUL = frozenset(
    {"delete_role", "remove_member", "delete_tenant", "delete_user", "send_email_proof", "revoke_api_key", "logout", "redeem_link"}
)
"""Operations without a body that the state of things can forbid."""

TAGS = {
    "workflows": "Stored workflows and their versions.",
    "runs": "Starting runs, their history and their events.",
    "interrupts": "What runs wait for: questions to people, events, breakpoints, unknown outcomes; and the answers.",
    "collections": "Documents that workflows search.",
    "artifacts": "Files, and values of runs too large for an answer.",
    "secrets": "What sources are filled in with: written, never read back; and the master key above them.",
    "variables": "Values that workflows read as `vars.NAME`.",
    "sources": "Stored connections to outside systems, which workflows use by name.",
    "audit": "Who did what: list, export, verify.",
    "node types": "What a specification can be made of.",
    "auth": "Registering, signing in and out, and who the caller is.",
    "sessions": "The devices one is signed in on.",
    "api keys": "Keys for programs, and their rotation.",
    "users": "The accounts that an organisation administers, and its service accounts.",
    "roles": "What members may do.",
    "tenants": "Organisations, their members and invitations.",
    "teams": "Members under a name, and what is granted on single things.",
    "sharing": "Who sees a workflow: members, teams, whoever has a link, everybody.",
    "system": "Health, metrics and this document.",
}
_SECURITY: list[dict[str, list[str]]] = [{"api_key": []}, {"bearer": []}, {"password": []}]
_READS_LARGE_VALUES = frozenset({"get_run", "list_run_nodes", "list_run_events", "get_artifact_content", "download_artifact"})
_BY_LINK = frozenset({"download_artifact"})
"""Open operations at which a signature stands for the credential."""
_SOMETIMES = {401: _CREDENTIAL, 403: _BY_LINK, 404: _SHOWN, 409: _STATEFUL, 410: _READS_LARGE_VALUES}
"""What some operations answer with besides."""
_CODES = {
    400: "MALFORMED",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    410: "OBJECT_MISSING",
    412: "PRECONDITION_FAILED",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID",
    429: "TOO_MANY_REQUESTS",
    503: "UNAVAILABLE",
    507: "STORAGE_FULL",
}
_DETAILS = {
    400: "The body is not acceptable JSON: unexpected end of data.",
    401: "This needs a credential.",
    403: "This needs the permission workflows:write.",
    404: "There is nothing of this name.",
    409: "There is one of this name already.",
    410: "The stored value 9f86d081884c is gone.",
    412: "The resource was changed since you read it.",
    413: "The body is larger than 10000000 bytes (setting max_body_bytes).",
    415: "This reads application/json, not text/plain.",
    422: "Field required (body /spec).",
    429: "You sent requests more than 240000 times in a minute (limit user).",
    503: "The database does not answer.",
    507: "There is no room left where the data is kept.",
}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of ``app``."""
    tags = [{"name": name, "description": text} for name, text in TAGS.items()]
    result = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes, tags=tags)
    components = result.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["securitySchemes"] = {
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token, or an API key."},
        "password": {
            "type": "oauth2",
            "description": "Name and password.",
            "flows": {"password": {"tokenUrl": "/api/v1/auth/token", "refreshUrl": "/api/v1/auth/refresh", "scopes": {}}},
        },
    }
    for operation in _operations(result):
        _hoist(operation, schemas)
    for operation in _operations(result):
        _allow_partial(operation, schemas)
        _complete(operation, schemas)
    return result


def _operations(result: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in result["paths"].values():
        yield from path.values()


def _hoist(operation: Mapping[str, Any], schemas: dict[str, Any]) -> None:
    """Move definitions that a slice wrote beside its own body's schema to where every reference looks for them."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schemas.update(content.get("schema", {}).pop("$defs", {}))


def _allow_partial(operation: Mapping[str, Any], schemas: dict[str, Any]) -> None:
    """Let answers lack any field where the request can choose them with `fields`."""
    if not any(parameter["name"] == "fields" for parameter in operation.get("parameters", ())):
        return
    content = operation["responses"]["200"]["content"]["application/json"]
    whole = schemas[_name(content["schema"])]
    if "items" in whole["properties"]:
        items = whole["properties"]["items"]
        page = {**whole, "properties": {**whole["properties"], "items": {**items, "items": _partial(items["items"], schemas)}}}
        content["schema"] = page
    else:
        content["schema"] = _partial(content["schema"], schemas)


def _partial(reference: Mapping[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    name = _name(reference)
    schemas[f"Partial{name}"] = {key: value for key, value in schemas[name].items() if key != "required"} | {"title": f"Partial{name}"}
    return {"$ref": f"#/components/schemas/Partial{name}"}


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _complete(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    if operation["operationId"] not in OPEN:
        operation["security"] = _SECURITY
    responses = operation["responses"]
    responses.pop("422", None)
    for answer in (*responses.values(), operation.get("requestBody", {})):
        for content in answer.get("content", {}).values():
            if "example" not in content and "examples" not in content:
                content["example"] = example_of(content.get("schema", {}), schemas)
    for status in _possible(operation):
        responses.setdefault(str(status), _problem(status))


def _possible(operation: Mapping[str, Any]) -> Iterator[int]:
    """Yield the errors an operation can answer with."""
    parameters = operation.get("parameters", ())
    places = {parameter["in"] for parameter in parameters}
    names = {parameter["name"] for parameter in parameters}
    yield from (400, 413, 429, 503)
    name = operation["operationId"]
    if name not in OPEN or name in _BY_POLICY:
        yield from (401, 403)
    yield from (status for status, operations in _SOMETIMES.items() if name in operations)
    if "path" in places or "requestBody" in operation:
        yield 404
    if places or "requestBody" in operation:
        yield 422
    if "requestBody" in operation:
        yield from (409, 415, 507)
    if names & {"Idempotency-Key", "workflow"}:
        yield 409  # the first request is under way, or several workflows have the name
    if "If-Match" in names:
        yield 412


def _problem(status: int) -> dict[str, Any]:
    code, phrase = _CODES[status], HTTPStatus(status).phrase
    example = {
        "type": f"urn:agentflow:error:{code}",
        "title": phrase,
        "status": status,
        "detail": _DETAILS[status],
        "instance": "019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a",
        "code": code,
        "hint": None,
        "errors": [],
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    return {"description": phrase, "content": content}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a value that fits ``schema``, made of the examples that its fields carry."""
    if "$ref" in schema:
        return example_of(schemas[_name(schema)], schemas)
    for given in ("example", "default", "const"):
        if given in schema:
            return schema[given]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for combined in ("anyOf", "oneOf", "allOf"):
        if schema.get(combined):
            return example_of(schema[combined][0], schemas)
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)] if schema.get("items") else []
    if schema.get("type") == "object":
        return {name: example_of(part, schemas) for name, part in schema.get("properties", {}).items()}
    return _scalar(schema)


def _scalar(schema: Mapping[str, Any]) -> Any:
    if schema.get("format") == "date-time":
        return "2026-11-21T09:30:00.000000Z"
    return {"string": "text", "integer": 1, "number": 1.0, "boolean": True, "null": None}.get(str(schema.get("type")))
