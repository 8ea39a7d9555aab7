"""Errors as RFC 9457 problem details: the one place where a kind of error becomes an HTTP status."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from agentflow.endpoints.answers import encode
from agentflow.endpoints.edges import limit_headers
from agentflow.endpoints.requests import REQUEST_ID
from agentflow.errors import AgentFlowError, Kind, RateLimited
from agentflow.kit.json import pointer

STATUS: Mapping[Kind, int] = {
    Kind.MALFORMED: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.GONE: 410,
    Kind.PRECONDITION_FAILED: 412,
    Kind.TOO_LARGE: 413,
    Kind.UNSUPPORTED: 415,
    Kind.INVALID: 422,
    Kind.RATE_LIMITED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.STORAGE_FULL: 507,
}
MEDIA_TYPE = "application/problem+json"
RETRY_S = 1.0
"""What a client is told to wait where nobody knows better."""


class Problem(BaseModel):
    """What is wrong with a request, after RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable URI of the error.", examples=["urn:agentflow:error:NOT_FOUND"])
    title: str = Field(description="The error in a few words.", examples=["Not found"])
    status: int = Field(description="The HTTP status.", examples=[404])
    detail: str = Field(description="What happened this time.", examples=["There is no workflow summarise."])
    instance: str = Field(description="Id of the request, as in X-Request-ID.", examples=["019a9f3e-8d5c-7c41-9d2e-0d5f6f1c2b3a"])
    code: str = Field(description="Name of the error, for programs.", examples=["NOT_FOUND"])
    hint: str | None = Field(default=None, description="The way out, or null.", examples=["GET /api/v1/workflows lists what there is."])
    errors: list[dict[str, Any]] = Field(default_factory=list, description="The single problems, where there are several.", examples=[[]])


def problem_of(error: AgentFlowError, scope: Scope) -> Response:
    """Return an error of ours as an answer."""
    headers: dict[str, str] = {}
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = 'Bearer realm="agentflow"'
    if error.kind in (Kind.UNAVAILABLE, Kind.RATE_LIMITED, Kind.STORAGE_FULL):
        headers["Retry-After"] = str(math.ceil(RETRY_S if error.retry_after_s is None else error.retry_after_s))
    if isinstance(error, RateLimited) and error.limit is not None:
        headers |= _limit_headers(error, error.limit, int(headers["Retry-After"]))
    return _problem(STATUS[error.kind], error.code, error.title, error.message, scope, error.hint, error.errors, headers)


def _limit_headers(error: RateLimited, limit: int, wait_s: int) -> Mapping[str, str]:
    """Return how a limit that is reached stands; also under the names of the draft's earlier versions, which many clients know."""
    earlier = {"RateLimit-Limit": str(limit), "RateLimit-Remaining": "0", "RateLimit-Reset": str(wait_s)}
    return earlier | {name.decode(): value.decode() for name, value in limit_headers(error.name, limit, 0, wait_s, error.window_s)}


def problem_of_validation(error: RequestValidationError, scope: Scope) -> Response:
    """Return what a request's parameters or body lack as an answer."""
    errors = [{"in": item["loc"][0], "path": pointer("", *item["loc"][1:]), "message": item["msg"]} for item in error.errors()]
    first = errors[0]
    detail = f"{first['message']} ({first['in']}{' ' + first['path'] if first['path'] else ''})."
    return _problem(422, "INVALID", "Invalid request", detail, scope, "See `errors`; /docs describes the operation.", errors)


def problem_of_http(error: HTTPException, scope: Scope, allowed: Sequence[str] = ()) -> Response:
    """Return an error that the framework found as an answer; ``allowed`` are the methods of the path, for a 405."""
    if isinstance(error.__cause__, AgentFlowError):
        return problem_of(error.__cause__, scope)
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    detail, hint = str(error.detail), None
    if status is HTTPStatus.NOT_FOUND:
        detail, hint = "There is nothing at this address.", "/docs lists all addresses."
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(allowed)
        detail = f"This address does not understand {scope['method']}, only {headers['Allow']}."
    return _problem(status.value, status.name, status.phrase, detail, scope, hint, (), headers)


def internal_error(scope: Scope) -> Response:
    """Return the answer for a fault of ours."""
    detail = "The server made a mistake; the request was not carried out to its end."
    hint = f"The server's log has it under request_id {scope[REQUEST_ID]}."
    return _problem(500, "INTERNAL", "Internal error", detail, scope, hint)


def _problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    scope: Scope,
    hint: str | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {
        "type": f"urn:agentflow:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": scope.get(REQUEST_ID, ""),
        "code": code,
        "hint": hint,
        "errors": errors,
    }
    return Response(encode(body), status, dict(headers or {}), MEDIA_TYPE)
